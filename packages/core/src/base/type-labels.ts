/** Which message types metrics may name: a name that anybody can make up is never a label. */

const OTHER_TYPES = 'other';
/** A type beyond these is `other`, for every user. */
const MAX_LABELS = 256;

/** Those that are declared; without a declaration those that have proved to exist, in the order in which they did. */
export class TypeLabels {
  readonly #labels: Set<string>;
  readonly #isFixed: boolean;

  constructor(declared?: Iterable<string>) {
    this.#labels = new Set(declared);
    this.#isFixed = declared !== undefined;
  }

  /** @param isProof what became of the message says that the type exists */
  of(type: string, isProof: boolean): string {
    if (this.#labels.has(type)) return type;
    if (this.#isFixed || !isProof || this.#labels.size >= MAX_LABELS) return OTHER_TYPES;
    this.#labels.add(type);
    return type;
  }
}
