/** Records the violations of a run, and a hash of everything it did. */

/** The invariants of a run; `CHECK` is your own, `EMPTY` means that too little happened. */
export type Invariant =
  | 'S1'
  | 'S5'
  | 'S6'
  | 'S7'
  | 'S8'
  | 'S9'
  | 'S10'
  | 'L2'
  | 'L3'
  | 'L4'
  | 'L5'
  | 'L6'
  | 'L7'
  | 'LIN'
  | 'CHECK'
  | 'EMPTY';

export interface BrokenInvariant {
  readonly invariant: Invariant;
  readonly atMs: number;
  readonly text: string;
}

export class Oracle {
  readonly violations: BrokenInvariant[] = [];
  readonly #nowMs: () => number;
  readonly #onTrace: ((line: string) => void) | undefined;
  #hash = 0x811c9dc5;

  constructor(nowMs: () => number, onTrace: ((line: string) => void) | undefined) {
    this.#nowMs = nowMs;
    this.#onTrace = onTrace;
  }

  /** The hash of the trace, which is equal for equal runs. */
  get traceHash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }

  /** Adds an event and its time to the trace. */
  trace(text: string): void {
    const line = `${this.#nowMs().toFixed(3)} ${text}`;
    this.#onTrace?.(line);
    // FNV-1a, Fowler, Noll and Vo.
    for (let i = 0; i < line.length; i++) this.#hash = Math.imul(this.#hash ^ line.charCodeAt(i), 0x01000193);
  }

  violated(invariant: Invariant, text: string): void {
    this.violations.push({ invariant, atMs: this.#nowMs(), text });
    this.#onTrace?.(`${this.#nowMs().toFixed(3)} VIOLATION ${invariant} ${text}`);
  }
}
