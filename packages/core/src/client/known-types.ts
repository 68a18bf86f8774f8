/** Checks message types, each once: calls come with the same few types again and again. */
import { checkCallerType } from '../wire/envelope.ts';

const MAX_KNOWN_TYPES = 1_024;

export class KnownTypes {
  readonly #known = new Set<string>();

  /** Hot path. @throws INVALID_ENVELOPE */
  check(type: string): void {
    if (this.#known.has(type)) return;
    checkCallerType(type);
    if (this.#known.size < MAX_KNOWN_TYPES) this.#known.add(type);
  }
}
