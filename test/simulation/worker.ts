/** One thread of a pool: simulates what it is sent. */
import { parentPort } from 'node:worker_threads';
import { simulate } from '@clstr/testing';
import { DurableLoad } from './durable-load.ts';
import type { SimulationOptions, SimulationReport } from '@clstr/testing';

/** What can be sent to a thread. */
export interface RunOptions extends SimulationOptions {
  /** Durable counters in place of those that keep their state themselves. */
  readonly isDurable?: boolean | undefined;
}

export interface Job {
  readonly id: number;
  readonly options: RunOptions;
  readonly wantsTrace: boolean;
}

export interface JobResult {
  readonly id: number;
  readonly report: SimulationReport | undefined;
  readonly trace: readonly string[];
  /** It failed in itself, which is worse than any violation. */
  readonly error: string | undefined;
}

/** Errors of the framework are thrown by the thousand, and nobody reads their stacks here. */
Error.stackTraceLimit = 0;

parentPort!.on('message', (job: Job) => {
  void run(job).then((result) => parentPort!.postMessage(result));
});

async function run({ id, options: { isDurable = false, ...options }, wantsTrace }: Job): Promise<JobResult> {
  const trace: string[] = [];
  const onTrace = wantsTrace ? (line: string) => void trace.push(line) : undefined;
  try {
    const load = isDurable ? new DurableLoad() : undefined;
    const { actors, workload, check } = load ?? options;
    const report = await simulate({ ...options, actors, workload, check, onTrace });
    return { id, report: { ...report, ...load?.counts }, trace, error: undefined };
  } catch (error) {
    return { id, report: undefined, trace, error: String(error) };
  }
}
