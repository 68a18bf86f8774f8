/** The clocks of one simulated process: they may stop with it or go on while it is stopped, and run fast or slow. */
import type { Clock } from '@clstr/core';

export type ProcessState = 'running' | 'paused' | 'dead';

export class ProcessClock implements Clock {
  readonly #world: Clock;
  readonly #rate: number;
  readonly #startMs: number;
  #state: ProcessState = 'running';
  /** The work that became due while the process was stopped, in order. */
  #overdue: (() => void)[] = [];
  #suspendedMs = 0;
  #suspendedSinceMs: number | undefined;

  /** `rate` is the number of seconds of its monotonic clock per true second. */
  constructor(world: Clock, rate = 1) {
    this.#world = world;
    this.#rate = rate;
    this.#startMs = world.monoMs();
  }

  get state(): ProcessState {
    return this.#state;
  }

  monoMs(): number {
    const nowMs = this.#suspendedSinceMs ?? this.#world.monoMs();
    return this.#startMs + (nowMs - this.#startMs - this.#suspendedMs) * this.#rate;
  }

  wallMs(): number {
    return this.#world.wallMs();
  }

  timer(fn: () => void, delayMs: number): () => void {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) fn();
    };
    const cancel = this.#world.timer(() => this.#due(run), delayMs / this.#rate);
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  macrotask(fn: () => void): void {
    this.#world.macrotask(() => this.#due(fn));
  }

  /** Works like SIGSTOP: nothing runs until the process resumes, but its monotonic clock goes on. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** Works like a suspended machine: the monotonic clock stops as well, the wall clock does not. */
  suspend(): void {
    if (this.#state !== 'running') return;
    this.pause();
    this.#suspendedSinceMs = this.#world.monoMs();
  }

  /** Works like SIGCONT. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    if (this.#suspendedSinceMs !== undefined) {
      this.#suspendedMs += this.#world.monoMs() - this.#suspendedSinceMs;
      this.#suspendedSinceMs = undefined;
    }
    const overdue = this.#overdue;
    this.#overdue = [];
    for (const fn of overdue) this.#world.macrotask(() => this.#due(fn));
  }

  /** Works like SIGKILL. */
  kill(): void {
    this.#state = 'dead';
    this.#overdue = [];
  }

  #due(fn: () => void): void {
    if (this.#state === 'running') fn();
    else if (this.#state === 'paused') this.#overdue.push(fn);
  }
}
