/** Event sourcing: a turn stores the events that it emits, and the state of a key is what they add up to. */
import type { Durability } from '@clstr/actors';
import { MessageContext } from '@clstr/actors/internal';
import type { Option, Resolved, Spec } from '@clstr/core/internal';
import { callback, describe, integer, invalidOption, option, optional, resolve } from '@clstr/core/internal';
import { durability } from './durability.ts';
import type { Change, StateModel } from './model.ts';
import type { RecordContent, StoredEvent } from './record.ts';
import { jsonOf, stateIn } from './state-json.ts';

/** Returns the state after an event. A pure function: it neither changes the state nor asks anyone. */
export type EventReducer<State> =
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- only `any` matches data of all types
  (state: State, data: any) => State;

/** An event whose shape has changed: its version, and what earlier ones become. */
export interface VersionedEvent<State, Reducer extends EventReducer<State> = EventReducer<State>> {
  /** From 1, the version of an event given as a function alone. */
  version: number;
  reduce: Reducer;
  /** Turns the data of an earlier version into that of today's. A pure function. */
  upcast?: ((data: unknown, version: number) => Parameters<Reducer>[1]) | undefined;
}

export type EventTable<State> = Readonly<Record<string, EventReducer<State> | VersionedEvent<State>>>;

export interface EventSourcedOptions<State extends object, Events extends EventTable<State>> {
  /** Makes the state of a key without events. */
  initial: (key: string) => State;
  /** What each event does to the state, under the name by which it is stored. */
  events: Events;
  /** A record also holds the state once this many events have followed the last that did. Default 100. */
  snapshotEvery?: number | undefined;
  /** Of the shape of the state, from 1: a snapshot of an earlier one is turned into today's by `upcast`. Default 1. */
  version?: number | undefined;
  /** Turns the snapshot of an earlier version into a state of today's. A pure function; needed once `version` rises. */
  upcast?: ((state: unknown, version: number) => State) | undefined;
}

type DataOf<Event> = Event extends (state: never, data: infer Data) => unknown
  ? Data
  : Event extends { reduce: (state: never, data: infer Data) => unknown }
    ? Data
    : never;

/** What event sourcing adds to the context of a handler. */
export interface EventSourcedKit<State, Events> {
  /**
   * Adds an event to the turn, and returns the state after it.
   *
   * @throws TypeError in a readonly method, for an unknown event, and for data that JSON cannot hold
   */
  emit<Name extends keyof Events & string>(name: Name, data: DataOf<Events[Name]>): State;
  /** Deletes the events and the state of the key once the handler has ended. */
  erase(): void;
}

const eventsOption: Option<EventTable<object>> = option((owner, name, value) => {
  if (typeof value !== 'object' || value === null)
    throw invalidOption(owner, name, value, 'an object of functions');
  const table = Object.create(null) as Record<string, VersionedEvent<object>>;
  for (const [event, given] of Object.entries(value as EventTable<object>)) {
    const { version, reduce, upcast } = resolve(
      `${owner}: ${name}.${event}`,
      eventSpec,
      typeof given === 'function' ? { version: 1, reduce: given } : given,
    );
    table[event] = { version, reduce, upcast };
  }
  return Object.freeze(table);
});

export const eventSpec: Spec<Resolved<VersionedEvent<object>, 'upcast'>> = {
  version: integer(1, Number.MAX_SAFE_INTEGER),
  reduce: callback(),
  upcast: optional(callback()),
};

export const eventSourcedSpec: Spec<ResolvedEventSourced> = {
  initial: callback(),
  events: eventsOption,
  snapshotEvery: integer(1, 1_000_000, 100),
  version: integer(1, Number.MAX_SAFE_INTEGER, 1),
  upcast: optional(callback()),
};

type ResolvedEventSourced = Resolved<EventSourcedOptions<object, EventTable<object>>, 'upcast'>;

/**
 * The state of each key as the sum of its events, which stay stored. A handler leaves the state as it is and calls
 * `ctx.emit`; its events are stored together, before the reply leaves.
 *
 * @throws INVALID_OPTION
 */
export function eventSourced<State extends object, Events extends EventTable<NoInfer<State>>>(
  options: EventSourcedOptions<State, Events>,
): Durability<State, EventSourcedKit<State, Events>> {
  const given = options as unknown as EventSourcedOptions<object, EventTable<object>>;
  const resolved = resolve('eventSourced', eventSourcedSpec, given);
  return durability({
    keeps: 'all',
    snapshotEvery: resolved.snapshotEvery,
    create: (key) => new EventSourcedModel(key, resolved),
  });
}

class EventSourcedModel implements StateModel {
  state: object;
  readonly #key: string;
  readonly #options: ResolvedEventSourced;
  /** After the last turn. Events do not change it, they return another. */
  #before: object;
  /** Those of the turn that runs, as JSON. */
  #emitted: string[] = [];
  #isErasing = false;
  #exists = false;

  constructor(key: string, options: ResolvedEventSourced) {
    this.#key = key;
    this.#options = options;
    this.state = options.initial(key);
    this.#before = this.state;
  }

  restore(records: readonly RecordContent[]): void {
    for (const { events, state, isWhole } of records) {
      // A whole record has the state after its events.
      if (state !== undefined) this.state = stateIn(state, this.#options);
      else if (isWhole) this.state = this.#options.initial(this.#key);
      else for (const event of events) this.#replay(event);
      this.#exists = state !== undefined || (!isWhole && (this.#exists || events.length > 0));
    }
    this.#before = this.state;
  }

  contextOf(message: MessageContext, isReadonly: boolean): MessageContext {
    return new EventSourcedContext(message, isReadonly, {
      emit: (name, data) => this.#emit(name, data),
      erase: () => {
        this.#isErasing = true;
      },
    });
  }

  change(): Change | undefined {
    if (!this.#isErasing) return this.#emitted.length === 0 ? undefined : this.#changeOf(this.#emitted, true);
    this.#emitted = [];
    this.state = this.#options.initial(this.#key);
    return this.#exists ? this.#changeOf([], false, true) : undefined;
  }

  commit(): void {
    this.#exists = !this.#isErasing && (this.#exists || this.#emitted.length > 0);
    this.#isErasing = false;
    this.#emitted = [];
    this.#before = this.state;
  }

  rollback(): void {
    this.#isErasing = false;
    this.#emitted = [];
    this.state = this.#before;
  }

  unchanged(): Change {
    return this.#changeOf([], this.#exists);
  }

  #emit(name: string, data: unknown): object {
    const event = this.#event(name);
    const text = JSON.stringify([name, event.version, data]);
    // The event is applied as it will be read, so that both give the same state.
    this.state = event.reduce(this.state, (JSON.parse(text) as StoredEvent)[2]);
    this.#emitted.push(text);
    return this.state;
  }

  #replay([name, version, data]: StoredEvent): void {
    const event = this.#event(name);
    this.state = event.reduce(this.state, stateIn({ version, value: data }, event));
  }

  #event(name: string): VersionedEvent<object> {
    const event = this.#options.events[name];
    if (event === undefined) throw new TypeError(`there is no event ${describe(name)}`);
    return event as VersionedEvent<object>;
  }

  #changeOf(events: readonly string[], exists: boolean, isErased = false): Change {
    const { state } = this;
    const { version } = this.#options;
    return {
      events,
      state: () => (exists ? `[${version},${jsonOf(state, 'the state')}]` : undefined),
      isErased,
      length: events.reduce((sum, text) => sum + text.length + 1, 0),
    };
  }
}

interface Emitting {
  readonly emit: (name: string, data: unknown) => object;
  readonly erase: () => void;
}

class EventSourcedContext extends MessageContext {
  readonly #isReadonly: boolean;
  readonly #to: Emitting;

  constructor(message: MessageContext, isReadonly: boolean, to: Emitting) {
    const { self, request, context } = MessageContext.partsOf(message);
    super(self, request, context);
    this.#isReadonly = isReadonly;
    this.#to = to;
  }

  emit(name: string, data: unknown): object {
    this.#checkWrites();
    return this.#to.emit(name, data);
  }

  erase(): void {
    this.#checkWrites();
    this.#to.erase();
  }

  #checkWrites(): void {
    if (this.#isReadonly) throw new TypeError('a readonly method cannot change the state');
  }
}
