/** Judges log lines: each has a row in docs/reference/logs.md, and none holds a secret or a part of a payload. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { tablesOf } from '../docs/markdown.ts';

interface Row {
  readonly levels: ReadonlySet<string>;
  readonly fields: ReadonlySet<string>;
}

/** Written apart from the redactor: what no line may hold. */
const SECRETS: readonly RegExp[] = [
  /:\/\/[^\s/,"'*]+@/,
  /\bS[ACNOU][A-Z2-7]{56}/,
  /\beyJ[\w-]+\.eyJ/,
  /\b(?:password|token|secret)=[^*\s]/i,
  /\bbearer [^*\s]/i,
];
/** A shorter text, or one of fewer different characters, may stand in a line by chance. */
const CANARY_LENGTH = 16;
const CANARY_CHARACTERS = 6;
const MAX_CANARIES = 4_000;
const MAX_DEPTH = 5;

export class LogWatch {
  readonly problems: string[] = [];
  readonly #rows: ReadonlyMap<string, Row>;
  readonly #canaries = new Set<string>();

  constructor(rows: ReadonlyMap<string, Row> = readRows()) {
    this.#rows = rows;
  }

  /** Remembers the texts in a payload: from now on no line may quote them. */
  payload(value: unknown, depth: number = MAX_DEPTH): void {
    if (depth === 0) return;
    if (typeof value === 'string') {
      if (value.length < CANARY_LENGTH || new Set(value.slice(0, 64)).size < CANARY_CHARACTERS) return;
      if (this.#canaries.size < MAX_CANARIES) this.#canaries.add(value.slice(0, 64));
    } else if (Array.isArray(value)) {
      for (const item of value.slice(0, 20) as unknown[]) this.payload(item, depth - 1);
    } else if (typeof value === 'object' && value !== null) {
      for (const item of Object.values(value).slice(0, 20)) this.payload(item, depth - 1);
    }
  }

  line(level: string, fields: object, message: string | undefined): void {
    const { event } = fields as { event?: unknown };
    if (typeof event === 'string') this.#checkRow(event, level, fields);
    const text = inspect({ fields, message }, { depth: 8, maxStringLength: null, breakLength: Infinity });
    const secret = SECRETS.find((pattern) => pattern.test(text));
    if (secret !== undefined) this.#add(event, `holds a secret (${secret.source})`, text);
    for (const canary of this.#canaries) {
      if (text.includes(canary)) this.#add(event, `quotes the payload ${JSON.stringify(canary)}`, text);
    }
  }

  #checkRow(event: string, level: string, fields: object): void {
    const row = this.#rows.get(event);
    if (row === undefined) {
      this.#add(event, 'has no row in docs/reference/logs.md', '');
      return;
    }
    if (!row.levels.has(level)) this.#add(event, `is not of level ${level}`, '');
    const others = Object.keys(fields).filter((name) => !row.fields.has(name));
    if (others.length > 0) this.#add(event, `has no column for ${others.join()}`, '');
  }

  #add(event: unknown, what: string, text: string): void {
    if (this.problems.length < 20)
      this.problems.push(`the line ${String(event)} ${what}: ${text.slice(0, 500)}`);
  }
}

function readRows(): ReadonlyMap<string, Row> {
  const page = readFileSync(join(import.meta.dirname, '../../docs/reference/logs.md'), 'utf8');
  const codes = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code!);
  const tables = tablesOf(page).filter(({ columns }) => columns[0] === 'event');
  return new Map(
    tables
      .flatMap(({ rows }) => rows)
      .map(([event, levels, fields]) => [
        codes(event!)[0]!,
        { levels: new Set(levels!.split(', ')), fields: new Set(['event', 'times', ...codes(fields!)]) },
      ]),
  );
}
