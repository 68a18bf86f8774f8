/** Which message types metrics may name: a name that anybody can make up is never a label. */

const OTHER_TYPES = 'other';
/** A type beyond these is reported as `other`. */
const MAX_LABELS = 256;

/** Names the declared types; without a declaration, the first types that have proved to exist. */
export class TypeLabels {
  readonly #labels: Set<string>;
  readonly #isFixed: boolean;
  /** Messages of one type come in groups. */
  #last: string | undefined;

  constructor(declared?: Iterable<string>) {
    this.#labels = new Set(declared);
    this.#isFixed = declared !== undefined;
  }

  isDeclared(type: string): boolean {
    return this.#isFixed && this.#labels.has(type);
  }

  /** @param isProof whether the outcome of the message proves that the type exists */
  of(type: string, isProof: boolean): string {
    // Returns the same string each time, so that metrics find its series by one comparison.
    if (type === this.#last) return this.#last;
    if (this.#labels.has(type)) return (this.#last = type);
    if (this.#isFixed || !isProof || this.#labels.size >= MAX_LABELS) return OTHER_TYPES;
    this.#labels.add(type);
    return type;
  }
}
