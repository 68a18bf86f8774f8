/** Compares the table of docs/reference/errors.md with the codes of core. */
import type { ErrorCodeInfo } from '@clstr/core';
import { tablesOf } from './markdown.ts';

const COLUMNS = 'Code,When,Default outcome,Retryable,What to do';
/** How the table says that a code has its name, but nothing raises it yet. */
const RESERVED = /^Reserved\b/;

/** `raised` are the codes that the source of the packages mentions outside of the table itself. */
export function errorsTableProblems(
  markdown: string,
  codes: Readonly<Record<string, ErrorCodeInfo>>,
  raised: ReadonlySet<string>,
): string[] {
  const table = tablesOf(markdown).find(({ columns }) => columns.join() === COLUMNS);
  if (table === undefined) return [`no table with the columns ${COLUMNS}`];
  const rows = new Map(table.rows.map((row) => [row[0]!.replaceAll('`', ''), row]));
  const problems = Object.keys(codes).flatMap((code) => (rows.has(code) ? [] : [`${code} has no row`]));
  if (rows.size !== table.rows.length) problems.push('a code has two rows');
  for (const [code, [, when = '', outcome, retryable, advice = '']] of rows) {
    const info = codes[code];
    if (info === undefined) {
      problems.push(`${code} is no code`);
      continue;
    }
    if (outcome !== info.outcome) problems.push(`${code}: the outcome is ${info.outcome}, not ${outcome}`);
    const expected = info.retryable ? 'yes' : 'no';
    if (retryable !== expected) problems.push(`${code}: retryable is ${expected}, not ${retryable}`);
    if (when === '' || advice === '') problems.push(`${code}: a cell is empty`);
    if (RESERVED.test(when) === raised.has(code))
      problems.push(`${code}: ${raised.has(code) ? 'is raised, so not' : 'is raised nowhere, so'} reserved`);
  }
  return problems;
}
