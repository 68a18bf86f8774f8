/** How much a machine that is shared keeps the processes of a test waiting: what a missed bound is worth. */
import { readFileSync } from 'node:fs';
import type { ChaosCluster } from '@clstr-kit/chaos';

const SAMPLE_MS = 100;
/** Samples that are judged together: a second. */
const WINDOW = 10;
/** Samples of a process that starts: what it waits then says nothing about its work. */
const STARTING = 30;
/** A process that wanted the processor and did not get it for so long in one second was not alone. */
const NOISY_MS = 200;

export class Noise {
  readonly #pids: () => number[];
  readonly #last = new Map<number, number>();
  readonly #recent = new Map<number, number[]>();
  readonly #samples = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;
  #worstMs = 0;

  constructor(cluster: ChaosCluster) {
    this.#pids = () => [process.pid, ...[...cluster.nodes.values()].map(({ pid }) => pid)];
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS).unref();
  }

  get isNoisy(): boolean {
    return this.#worstMs >= NOISY_MS;
  }

  /** The longest that any of the processes waited for a processor within one second. */
  get worstMs(): number {
    return Math.round(this.#worstMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sample(): void {
    for (const pid of this.#pids()) {
      const waitedMs = waitedSoFarMs(pid);
      const before = this.#last.get(pid);
      if (waitedMs === undefined) continue;
      this.#last.set(pid, waitedMs);
      const samples = (this.#samples.get(pid) ?? 0) + 1;
      this.#samples.set(pid, samples);
      if (before === undefined || samples <= STARTING) continue;
      const recent = this.#recent.get(pid) ?? [];
      this.#recent.set(pid, recent);
      if (recent.push(waitedMs - before) > WINDOW) recent.shift();
      this.#worstMs = Math.max(
        this.#worstMs,
        recent.reduce((sum, ms) => sum + ms, 0),
      );
    }
  }
}

/** Of its main thread: the second field of /proc/PID/schedstat is the time it was ready to run and did not. */
function waitedSoFarMs(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6;
  } catch {
    return undefined;
  }
}
