/** `npm run bench`: starts everything, plays the rounds, prints the table, writes the JSON, stops everything. */
import { measureActors } from './actor-figures.ts';
import { compareActors } from './comparisons.ts';
import { contenderNamed } from './contenders/index.ts';
import type { Contestant } from './contestant.ts';
import { startContestant } from './contestant.ts';
import { freePort } from './free-port.ts';
import { measureHashing } from './hashing.ts';
import { startNatsServer } from './nats-server.ts';
import type { Options } from './options.ts';
import { readOptions } from './options.ts';
import { showProgress } from './progress.ts';
import { writeResults } from './results-file.ts';
import { playRounds } from './rounds.ts';
import type { Sample } from './rounds.ts';
import { summarise } from './summary.ts';
import { formatComparisons, formatFigures, formatSummary } from './table.ts';

const NUM_SHARDS = 1024;

const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interrupted.abort(`stopped by ${name}`));
}

const options = readOptionsOrExplain();
if (options !== null) {
  try {
    await bench(options, interrupted.signal);
  } catch (error) {
    console.error(interrupted.signal.aborted ? interrupted.signal.reason : error);
    process.exitCode = interrupted.signal.aborted ? 130 : 1;
  }
}

function readOptionsOrExplain(): Options | null {
  try {
    return readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${(error as Error).message}\nSee --help.`);
    process.exitCode = 2;
    return null;
  }
}

async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const server = await startNatsServer();
  try {
    const samples: Sample[] = [];
    for (let start = 0; start < options.starts; start += 1) {
      samples.push(...(await playStart(options, server.servers, start, signal)));
    }
    signal.throwIfAborted();
    const actors = await measureActors(options.figureRuns, signal, showProgress);
    showProgress('hashing and placement');
    const hashing = measureHashing(options.figureRuns);
    showProgress('');
    const summary = summarise(samples);
    const comparisons = compareActors(samples);
    console.log(formatSummary(summary));
    if (comparisons.length > 0) console.log(formatComparisons(comparisons));
    console.log(formatFigures('actors, in memory', actors));
    console.log(formatFigures('hashing and placement', hashing));
    await writeResults({
      options,
      natsServerVersion: server.version,
      summary,
      comparisons,
      actors,
      hashing,
      samples,
    });
    console.log(`Every reply was checked. All samples: ${options.out}`);
  } finally {
    showProgress('');
    await server.close();
  }
}

/** Starts all contenders in new processes: one that starts under bad conditions stays slow as long as it lives. */
async function playStart(
  options: Options,
  servers: string,
  start: number,
  signal: AbortSignal,
): Promise<Sample[]> {
  const contestants: Contestant[] = [];
  try {
    for (const name of options.contenders) {
      signal.throwIfAborted();
      showProgress(`start ${start + 1} of ${options.starts}, ${name}`);
      const prefix = `bench-${name}-${start}`;
      const site = { servers, numShards: NUM_SHARDS, prefix, port: await freePort() };
      contestants.push(await startContestant(contenderNamed(name), site));
    }
    return await playRounds(contestants, options, start, signal, showProgress);
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.close()));
  }
}
