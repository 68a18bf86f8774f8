/** Durable state: after each turn that changed it, the whole state of a key is stored. */
import type { Durability } from '@clstr/actors';
import { MessageContext } from '@clstr/actors/internal';
import type { Resolved, Spec } from '@clstr/core/internal';
import { callback, integer, optional, resolve } from '@clstr/core/internal';
import { durability } from './durability.ts';
import type { Change, StateModel } from './model.ts';
import type { RecordContent } from './record.ts';
import { jsonOf, stateIn } from './state-json.ts';

export interface DurableStateOptions<State extends object> {
  /** Makes the state of a key that has none: an object or an array that JSON can hold. */
  initial: (key: string) => State;
  /** Of the shape of the state, from 1. Default 1. */
  version?: number | undefined;
  /** Turns a stored state of an earlier version into one of today's. A pure function; needed once `version` rises. */
  upcast?: ((state: unknown, version: number) => State) | undefined;
}

/** What durable state adds to the context of a handler. */
export interface DurableStateKit {
  /** Deletes the state of the key once the handler has ended: the next turn begins with a new `initial()`. */
  erase(): void;
}

export const durableStateSpec: Spec<Resolved<DurableStateOptions<object>, 'upcast'>> = {
  initial: callback(),
  version: integer(1, Number.MAX_SAFE_INTEGER, 1),
  upcast: optional(callback()),
};

/**
 * The state of each key as one value. A handler changes it in place; what it looks like at the end of the turn is stored
 * before the reply leaves.
 *
 * @throws INVALID_OPTION
 */
export function durableState<State extends object>(
  options: DurableStateOptions<State>,
): Durability<State, DurableStateKit> {
  const resolved = resolve('durableState', durableStateSpec, options as DurableStateOptions<object>);
  return durability({
    keeps: 'newest',
    snapshotEvery: 1,
    create: (key) => new DurableStateModel(key, resolved),
  });
}

type ResolvedState = Resolved<DurableStateOptions<object>, 'upcast'>;

interface StateText {
  readonly text: string;
  readonly exists: boolean;
}

class DurableStateModel implements StateModel {
  state: object;
  readonly #key: string;
  readonly #options: ResolvedState;
  /** As JSON, after the last turn. */
  #text: string;
  /** Whether a turn has given the key a state: before, and after its end, there is none to store. */
  #exists = false;
  #isErasing = false;
  /** What the turn that ends makes of both. */
  #next: StateText = { text: '', exists: false };

  constructor(key: string, options: ResolvedState) {
    this.#key = key;
    this.#options = options;
    this.state = options.initial(key);
    this.#text = jsonOf(this.state, 'the state');
  }

  restore(records: readonly RecordContent[]): void {
    const stored = records.at(-1)?.state;
    if (stored === undefined) return;
    this.state = stateIn(stored, this.#options);
    this.#text = jsonOf(this.state, 'the state');
    this.#exists = true;
  }

  contextOf(message: MessageContext, isReadonly: boolean): MessageContext {
    return new DurableStateContext(message, () => {
      if (isReadonly) throw new TypeError('a readonly method cannot erase the state');
      this.#isErasing = true;
    });
  }

  change(): Change | undefined {
    const isErased = this.#isErasing;
    if (isErased) this.state = this.#options.initial(this.#key);
    const text = jsonOf(this.state, 'the state');
    this.#next = { text, exists: !isErased && (this.#exists || text !== this.#text) };
    const isSame = isErased ? !this.#exists : text === this.#text;
    return isSame ? undefined : this.#changeTo(this.#next, isErased);
  }

  commit(): void {
    this.#isErasing = false;
    this.#text = this.#next.text;
    this.#exists = this.#next.exists;
  }

  rollback(): void {
    this.#isErasing = false;
    this.state = JSON.parse(this.#text) as object;
  }

  unchanged(): Change {
    return this.#changeTo({ text: this.#text, exists: this.#exists }, false);
  }

  #changeTo({ text, exists }: StateText, isErased: boolean): Change {
    const stored = exists ? `[${this.#options.version},${text}]` : undefined;
    return { events: [], state: () => stored, isErased, length: stored?.length ?? 0 };
  }
}

class DurableStateContext extends MessageContext implements DurableStateKit {
  readonly #erase: () => void;

  constructor(message: MessageContext, erase: () => void) {
    const { self, request, context } = MessageContext.partsOf(message);
    super(self, request, context);
    this.#erase = erase;
  }

  erase(): void {
    this.#erase();
  }
}
