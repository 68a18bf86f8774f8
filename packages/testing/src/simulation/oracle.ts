/** Watches a simulated cluster, and says which of its promises was broken. */

/** The invariants that a run is held against; see `docs/protocol/membership.md`. */
export type Invariant = 'S1' | 'S5' | 'S6' | 'S10' | 'L2' | 'LIN' | 'EMPTY';

export interface Violation {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly text: string;
}

interface RunningHandler {
  readonly epoch: number;
  readonly processId: string;
  readonly signal: AbortSignal;
  /** A process that stands still aborts at its next turn. */
  readonly isStanding: () => boolean;
}

export class Oracle {
  readonly violations: Violation[] = [];
  readonly #nowMs: () => number;
  readonly #running = new Map<string, Set<RunningHandler>>();
  #hash = 0x811c9dc5;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Equal for equal runs. */
  get traceHash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** Part of the trace: what happened, when. */
  trace(text: string): void {
    const line = `${this.#nowMs().toFixed(3)} ${text}\n`;
    // FNV-1a, Fowler, Noll and Vo.
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
  }

  violated(invariant: Invariant, text: string): void {
    this.violations.push({ invariant, atMs: this.#nowMs(), text });
  }

  /** A handler starts; call the returned function when it has ended. */
  started(key: string, handler: RunningHandler): () => void {
    let running = this.#running.get(key);
    if (running === undefined) this.#running.set(key, (running = new Set()));
    for (const other of running) {
      if (other.epoch < handler.epoch && !other.signal.aborted && !other.isStanding()) {
        this.violated(
          'S10',
          `${key}: a handler of epoch ${other.epoch} runs on ${other.processId}, not aborted, while one of epoch ` +
            `${handler.epoch} starts on ${handler.processId}`,
        );
      }
    }
    running.add(handler);
    return () => running.delete(handler);
  }
}
