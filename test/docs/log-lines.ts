/** Compares the lines that the packages log, as their sources have them, with the tables of docs/reference/logs.md. */
import ts from 'typescript';
import { tablesOf } from './markdown.ts';

interface LogLine {
  readonly event: string;
  readonly level: string;
  readonly fields: readonly string[];
}

interface LogCall {
  /** `path:line` of the call. */
  readonly place: string;
  /** Empty if the call names no event. */
  readonly lines: readonly LogLine[];
}

export function logTableProblems(markdown: string, sources: ReadonlyMap<string, string>): string[] {
  const calls = logCallsOf(sources);
  const problems = calls.flatMap(({ place, lines }) => (lines.length > 0 ? [] : [`${place} names no event`]));
  const tables = tablesOf(markdown).filter(({ columns }) => columns[0] === 'event');
  const rows = new Map(tables.flatMap((table) => table.rows).map((row) => [codesIn(row[0]!).join(), row]));
  const lines = calls.flatMap((call) => call.lines);
  for (const event of new Set(lines.map((line) => line.event))) {
    const row = rows.get(event);
    if (row === undefined) {
      problems.push(`${event} has no row`);
      continue;
    }
    rows.delete(event);
    const own = lines.filter((line) => line.event === event);
    const levels = [...new Set(own.map(({ level }) => level))].sort().join();
    if (row[1]!.split(', ').sort().join() !== levels) problems.push(`${event}: its level is ${levels}`);
    const fields = new Set(own.flatMap((line) => line.fields));
    for (const field of codesIn(row[2]!)) fields.delete(field);
    if (fields.size > 0) problems.push(`${event} has no column for ${[...fields].join()}`);
    const texts = codesIn(row[3]!).filter((text) => !isLogged(text, sources));
    if (texts.length > 0) problems.push(`${event}: no source has ${texts.join()}`);
  }
  return [...problems, ...[...rows.keys()].map((event) => `${event} is logged nowhere`)];
}

function codesIn(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, text]) => text!);
}

/** Whether a source has the message, in which `<x>` stands for a value. */
function isLogged(message: string, sources: ReadonlyMap<string, string>): boolean {
  const wanted = message.replaceAll(/<[^>]*>/g, '<>');
  return [...sources.values()].some((text) =>
    text.replaceAll(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, '<>').includes(wanted),
  );
}

const LEVELS = /^(debug|info|warn|error)$/;
const LOGGER = /(?:logger|log|rare)$/i;
/** They pass on what others log. */
const PASSED_ON = /\/(?:flood-log|rare-log|late-logger|stderr-logger|contexts|nats-server)\.ts$/;

/** All calls of a logger in the source files of packages. */
function logCallsOf(files: ReadonlyMap<string, string>): LogCall[] {
  const calls: LogCall[] = [];
  for (const [path, text] of files) {
    if (PASSED_ON.test(path)) continue;
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      const levels = ts.isCallExpression(node) ? levelsOf(node.expression) : [];
      if (levels.length > 0) {
        const { line } = file.getLineAndCharacterOfPosition(node.getStart());
        const found = (node as ts.CallExpression).arguments.slice(0, 2);
        const lines = levels.flatMap((level) => linesOf(level, found));
        calls.push({ place: `${path}:${line + 1}`, lines });
      }
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return calls;
}

/** `logger.warn(…)`, `this.#floodLog.error(…)`, `logger[level](…)` with a `level` that is one of two texts. */
function levelsOf(callee: ts.Expression): string[] {
  if (ts.isPropertyAccessExpression(callee)) {
    const isLog = LOGGER.test(callee.expression.getText()) && LEVELS.test(callee.name.text);
    return isLog ? [callee.name.text] : [];
  }
  if (!ts.isElementAccessExpression(callee) || !LOGGER.test(callee.expression.getText())) return [];
  const argument = callee.argumentExpression;
  if (!ts.isIdentifier(argument)) return [];
  const value = valueOf(argument);
  return value === undefined ? [] : textsIn(value).filter((text) => LEVELS.test(text));
}

function linesOf(level: string, [first, second]: readonly ts.Expression[]): LogLine[] {
  if (first === undefined) return [];
  // logger.warn(fields, message), floodLog.warn(event, fields, message) or rareLog.warn(kind, fields, message)
  const named = objectOf(first) === undefined ? textsIn(first).filter((text) => EVENT.test(text)) : [];
  const object = objectOf(first) ?? objectOf(second);
  const fields = object?.properties.flatMap((property) => namesOf(property)) ?? [];
  const events = object === undefined || named.length > 0 ? named : eventsOf(object);
  return events.map((event) => ({ event, level, fields: fields.filter((name) => name !== 'event') }));
}

const EVENT = /^[a-z]+\.[a-z_]+$/;

function eventsOf(object: ts.ObjectLiteralExpression): string[] {
  const event = object.properties.find((property) => property.name?.getText() === 'event');
  return event === undefined || !ts.isPropertyAssignment(event) ? [] : textsIn(event.initializer);
}

function namesOf(property: ts.ObjectLiteralElementLike): string[] {
  if (!ts.isSpreadAssignment(property)) return [property.name.getText()];
  const object = objectOf(property.expression);
  return object === undefined ? [] : object.properties.flatMap((inner) => namesOf(inner));
}

function objectOf(node: ts.Expression | undefined): ts.ObjectLiteralExpression | undefined {
  if (node === undefined) return undefined;
  if (ts.isObjectLiteralExpression(node)) return node;
  if (ts.isParenthesizedExpression(node)) return objectOf(node.expression);
  if (ts.isBinaryExpression(node)) return objectOf(node.right);
  return ts.isIdentifier(node) ? objectOf(valueOf(node)) : undefined;
}

/** The value of the nearest constant of that name above. */
function valueOf(name: ts.Identifier): ts.Expression | undefined {
  for (let scope: ts.Node | undefined = name; scope !== undefined; scope = outside(scope)) {
    let found: ts.Expression | undefined;
    ts.forEachChild(scope, (child) => {
      if (!ts.isVariableStatement(child)) return;
      const declared = child.declarationList.declarations.find((each) => each.name.getText() === name.text);
      found = declared?.initializer ?? found;
    });
    if (found !== undefined) return found;
  }
  return undefined;
}

function outside(node: ts.Node): ts.Node | undefined {
  return node.parent;
}

/** All fixed texts of an expression. */
function textsIn(node: ts.Node): string[] {
  const found: string[] = [];
  const visit = (inner: ts.Node): void => {
    if (ts.isStringLiteralLike(inner)) found.push(inner.text);
    else ts.forEachChild(inner, visit);
  };
  visit(node);
  return found;
}
