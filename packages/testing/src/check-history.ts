/** `npm run check-history FILE`: checks a recorded history again, from its file alone. */
import { readFileSync } from 'node:fs';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { readHistory } from './checkers/history-file.ts';
import { reportHistory } from './checkers/history-report.ts';
import type { HistoryReport } from './checkers/history-report.ts';
import { defaults } from './defaults.ts';

const HELP = `Checks whether a recorded history is linearizable, key by key.

Usage: npm run check-history -- [options] FILE

FILE has one JSON event per line:
  {"type":"invoke","id":0,"at":12.5,"process":"p1","key":"user-1","op":"increment"}
  {"type":"complete","id":0,"at":14,"outcome":"ok","value":1}
outcome is ok, not-executed or unknown. Counters have increment and get, registers write (with an input) and read.

  --max-configurations <n>  how long to search per register (default ${defaults.maxConfigurations})
  --help                    show this text

Exit code: 0 linearizable, 1 a violation, 2 a wrong option or a file that is not a history, 3 undecided.
`;

const EXIT_CODES: Readonly<Record<HistoryReport['kind'], number>> = {
  linearizable: 0,
  violation: 1,
  undecided: 3,
};

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 2;
}

function main(args: string[]): number {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { help: { type: 'boolean' }, 'max-configurations': { type: 'string' } },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const [file, ...more] = positionals;
  if (file === undefined || more.length > 0) throw new Error('Name one file. See --help.');
  const limit = values['max-configurations'];
  const report = judge(file, limit === undefined ? undefined : Number(limit));
  process.stdout.write(report.text);
  return EXIT_CODES[report.kind];
}

function judge(file: string, maxConfigurations: number | undefined): HistoryReport {
  try {
    return reportHistory(readHistory(readFileSync(file, 'utf8')), { maxConfigurations });
  } catch (error) {
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
}
