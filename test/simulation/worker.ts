/** One thread of a pool: simulates what it is sent. */
import { parentPort } from 'node:worker_threads';
import { simulate } from '@clstr/testing';
import type { SimulationOptions, SimulationReport } from '@clstr/testing';

export interface Job {
  readonly id: number;
  readonly options: SimulationOptions;
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

async function run({ id, options, wantsTrace }: Job): Promise<JobResult> {
  const trace: string[] = [];
  const onTrace = wantsTrace ? (line: string) => void trace.push(line) : undefined;
  try {
    return { id, report: await simulate({ ...options, onTrace }), trace, error: undefined };
  } catch (error) {
    return { id, report: undefined, trace, error: String(error) };
  }
}
