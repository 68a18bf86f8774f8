/** The clock of one simulated process: it stops with its process, while time goes on. */
import type { Clock } from '@clstr/core';

export type ProcessState = 'running' | 'paused' | 'dead';

export class ProcessClock implements Clock {
  readonly #world: Clock;
  #state: ProcessState = 'running';
  /** What became due while the process stood still, in order. */
  #overdue: (() => void)[] = [];

  constructor(world: Clock) {
    this.#world = world;
  }

  get state(): ProcessState {
    return this.#state;
  }

  monoMs(): number {
    return this.#world.monoMs();
  }

  wallMs(): number {
    return this.#world.wallMs();
  }

  timer(fn: () => void, delayMs: number): () => void {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) fn();
    };
    const cancel = this.#world.timer(() => this.#due(run), delayMs);
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  macrotask(fn: () => void): void {
    this.#world.macrotask(() => this.#due(fn));
  }

  /** As SIGSTOP: nothing runs until it goes on; its monotonic clock does not stop. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** As SIGCONT. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const overdue = this.#overdue;
    this.#overdue = [];
    for (const fn of overdue) this.#world.macrotask(() => this.#due(fn));
  }

  /** As SIGKILL. */
  kill(): void {
    this.#state = 'dead';
    this.#overdue = [];
  }

  #due(fn: () => void): void {
    if (this.#state === 'running') fn();
    else if (this.#state === 'paused') this.#overdue.push(fn);
  }
}
