/** The command line: what to run, how long, and where the figures go. */
import { parseArgs } from 'node:util';
import { contenderNamed, contenders } from './contenders/index.ts';

export interface Options {
  contenders: readonly string[];
  inFlight: readonly number[];
  /** How often every contender is started; each start plays its own rounds. */
  starts: number;
  /** Rounds of one start. */
  rounds: number;
  seconds: number;
  warmUpSeconds: number;
  /** Runs of each figure beside the table of contenders; slow ones run less often. */
  figureRuns: number;
  out: string;
}

const FULL = { starts: 5, rounds: 4, seconds: 1, warmUpSeconds: 1.5, figureRuns: 20 };
const QUICK = { starts: 1, rounds: 4, seconds: 0.2, warmUpSeconds: 0.3, figureRuns: 3 };
const IN_FLIGHT = [1, 64, 256, 1024];

const names = contenders.map((contender) => contender.name).join(',');
const quickNames = contenders
  .filter((contender) => contender.isLeftOutOfQuick !== true)
  .map((contender) => contender.name)
  .join(',');

const HELP = `Measures requests per second and latency of every contender over one nats-server.

Usage: npm run bench -- [options]

  --quick             ${QUICK.starts} start, ${QUICK.rounds} rounds of ${QUICK.seconds} s, without Effect: under a minute, rough figures
  --starts <n>        how often every contender is started anew (default ${FULL.starts})
  --rounds <n>        rounds of each start, each runs every contender once (default ${FULL.rounds})
  --seconds <s>       seconds per contender and round (default ${FULL.seconds})
  --in-flight <list>  requests kept in flight (default ${IN_FLIGHT.join(',')})
  --contenders <list> default ${names}
  --out <file>        where the JSON goes (default bench/results/latest.json)
  --help              this text

NATS_SERVER_BIN names another nats-server than the one on the PATH.`;

/**
 * Returns null after printing the help.
 * @throws Error naming the invalid option and its value.
 */
export function readOptions(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      starts: { type: 'string' },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'in-flight': { type: 'string' },
      contenders: { type: 'string' },
      out: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return null;
  }
  const defaults = values.quick ? QUICK : FULL;
  return {
    contenders: list(values.contenders ?? (values.quick ? quickNames : names)).map(
      (name) => contenderNamed(name).name,
    ),
    inFlight: list(values['in-flight'] ?? IN_FLIGHT.join(',')).map((item) =>
      wholeNumber('--in-flight', item),
    ),
    starts: values.starts === undefined ? defaults.starts : wholeNumber('--starts', values.starts),
    rounds: values.rounds === undefined ? defaults.rounds : wholeNumber('--rounds', values.rounds),
    seconds: values.seconds === undefined ? defaults.seconds : positive('--seconds', values.seconds),
    warmUpSeconds: defaults.warmUpSeconds,
    figureRuns: defaults.figureRuns,
    out: values.out ?? new URL('../results/latest.json', import.meta.url).pathname,
  };
}

function list(value: string): string[] {
  return [...new Set(value.split(',').map((item) => item.trim()))];
}

function wholeNumber(option: string, value: string): number {
  const number = positive(option, value);
  if (!Number.isSafeInteger(number)) throw new Error(`${option} must be a whole number, not '${value}'`);
  return number;
}

function positive(option: string, value: string): number {
  const number = Number(value);
  if (!(number > 0 && number < Infinity))
    throw new Error(`${option} must be a number above 0, not '${value}'`);
  return number;
}
