/** Runs simulations on a few threads at a time. */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { SimulationReport } from '@clstr/testing';
import type { Bundle } from './bundle.ts';
import type { Job, JobResult, RunOptions } from './worker.ts';

export interface Finished {
  readonly report: SimulationReport;
  readonly trace: readonly string[];
}

/** A run makes much garbage and keeps little: with the default a tenth of the time goes into collecting it. */
const YOUNG_MB = 64;

type Settle = (result: JobResult) => void;

export class Pool {
  readonly #workers: Worker[];
  readonly #idle: Worker[];
  readonly #waiting: (() => void)[] = [];
  readonly #running = new Map<number, Settle>();
  #jobs = 0;

  constructor(bundle: Bundle, threads: number = Math.min(2, availableParallelism())) {
    this.#workers = Array.from(
      { length: threads },
      () => new Worker(bundle.path, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } }),
    );
    this.#idle = [...this.#workers];
    for (const worker of this.#workers) {
      worker.on('message', (result: JobResult) => this.#running.get(result.id)?.(result));
      // What is thrown outside of any promise ends the thread, and with it the run.
      worker.on('error', (error) => {
        for (const [id, settle] of this.#running) {
          settle({ id, report: undefined, trace: [], error: `the thread died: ${String(error)}` });
        }
      });
    }
  }

  /** Rejects when the simulation itself fails, which no violation makes it do. */
  async run(options: RunOptions, wantsTrace = false): Promise<Finished> {
    const worker = await this.#free();
    const job: Job = { id: ++this.#jobs, options, wantsTrace };
    const { report, trace, error } = await new Promise<JobResult>((resolve) => {
      this.#running.set(job.id, resolve);
      worker.postMessage(job);
    });
    this.#running.delete(job.id);
    this.#idle.push(worker);
    this.#waiting.shift()?.();
    if (report === undefined) throw new Error(`seed ${options.seed}: ${error}`);
    return { report, trace };
  }

  /** Seed after seed, until there is none left or `onReport` says true. */
  async runSeeds(
    from: number,
    count: number,
    optionsOf: (seed: number) => RunOptions,
    onReport: (report: SimulationReport) => unknown,
  ): Promise<void> {
    let next = from;
    const state = { isOver: false };
    const thread = async (): Promise<void> => {
      while (next < from + count && !state.isOver) {
        const { report } = await this.run(optionsOf(next++));
        if (onReport(report) === true) state.isOver = true;
      }
    };
    await Promise.all(this.#workers.map(thread));
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  async #free(): Promise<Worker> {
    while (this.#idle.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.#idle.pop()!;
  }
}
