/** Where logs begin, for those that this process has read or written last. */

/** About 30 MB if all are used. */
const MAX_KNOWN = 131_072;

interface KnownBase {
  readonly revision: number;
  readonly base: number;
}

export class KnownBases {
  /** The longest unused first. */
  readonly #known = new Map<string, KnownBase>();
  readonly #most: number;

  constructor(most: number = MAX_KNOWN) {
    this.#most = most;
  }

  /** Returns the base of the log whose newest record is `revision`; undefined if that is not known. */
  get(subject: string, revision: number): number | undefined {
    const known = this.#known.get(subject);
    return known?.revision === revision ? known.base : undefined;
  }

  set(subject: string, revision: number, base: number): void {
    this.#known.delete(subject);
    this.#known.set(subject, { revision, base });
    if (this.#known.size <= this.#most) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }

  delete(subject: string): void {
    this.#known.delete(subject);
  }
}
