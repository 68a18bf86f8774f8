/** The code of an actor: plain functions over a state, attached to a contract as data. */
import type { Spec } from '@clstr/core/internal';
import {
  callback,
  callbacks,
  handedOn,
  integer,
  invalidOption,
  milliseconds,
  oneOf,
  option,
  optional,
  resolve,
} from '@clstr/core/internal';
import type { ActorContext, ErasedHandler, LifecycleContext } from './actor-context.ts';
import { defaults } from './defaults.ts';
import type { AnyDurable, Durability } from './durability.ts';
import type { Middleware } from './middleware.ts';
import type { Needs } from './services.ts';
import type { AnyMethod, ErrorsOf, HandlerInputOf, HandlerOutputOf, Methods } from './method.ts';

export type PassivateReason = 'idle' | 'evicted' | 'drain';
export type DiscardReason = 'failed' | 'lost-ownership';

/** One handler per method of the contract. */
export type Handlers<M extends Methods, State, Services = unknown> = {
  readonly [Name in keyof M]: (
    state: State,
    input: HandlerInputOf<M[Name]>,
    context: ActorContext<Services, ErrorsOf<M[Name]>>,
  ) => HandlerOutputOf<M[Name]> | Promise<HandlerOutputOf<M[Name]>>;
};

export interface Implementation<M extends Methods, State, Services = unknown> {
  /** What the actor's code gets as `ctx.services`, declared by `needs`. Default: nothing. */
  services?: Needs<Services> | undefined;
  /** Runs around each message handler, within its turn and after the input was validated; the first is outermost. */
  use?: readonly Middleware<Services>[] | undefined;
  /** Creates the state of a key before its first message. Put it before `handlers`, which infer their types from it. */
  setup: (context: LifecycleContext<Services>) => State | Promise<State>;
  handlers: Handlers<M, State, Services>;
  /**
   * Runs when the actor leaves memory: save the state within 2 s. If it rejects, the actor stays, unless the node
   * drains. Save to a store, not to another actor: in a drain, calls to actors of the same node fail.
   */
  passivate?: ((state: State, context: PassivateContext<Services>) => unknown) | undefined;
  /** Runs when the state is dropped: release handles, but save nothing. */
  discard?: ((state: State, context: DiscardContext<Services>) => unknown) | undefined;
  /** Time without a message after which the actor passivates, in milliseconds; at most a quarter later. Default 60,000. */
  idleMs?: number | undefined;
  /** Messages that may wait for one key; more are `OVERLOADED`. Default 1,024. */
  mailbox?: number | undefined;
  /** After a handler fails, keep the state, or discard it and run `setup` for the next message. Default `keep`. */
  onError?: 'keep' | 'restart' | undefined;
}

export interface PassivateContext<Services = unknown> extends LifecycleContext<Services> {
  readonly reason: PassivateReason;
}

export interface DiscardContext<Services = unknown> extends LifecycleContext<Services> {
  readonly reason: DiscardReason;
}

/** An actor for `actorHandler`. Its types are erased, except for those of its state and of the services it needs. */
export interface Actor<State = unknown, Services = unknown> {
  readonly name: string;
  /** As its contract says. */
  readonly service: string | undefined;
  readonly methods: Methods;
  readonly use: readonly Middleware[];
  /** Undefined for an actor whose state lives in memory alone. */
  readonly durable: Durability | undefined;
  readonly setup: (context: LifecycleContext) => unknown;
  readonly handlers: Readonly<Record<string, ErasedHandler>>;
  readonly passivate: ((state: unknown, context: PassivateContext) => unknown) | undefined;
  readonly discard: ((state: unknown, context: DiscardContext) => unknown) | undefined;
  readonly idleMs: number;
  readonly mailbox: number;
  readonly onError: 'keep' | 'restart';
  /** Types only, never set. */
  readonly '~state'?: State;
  readonly '~needs'?: (services: Services) => void;
}

/** Any actor, whatever it needs. */
export type AnyActor = Actor<unknown, never>;

export const implementationSpec: Spec<
  Omit<Actor, 'name' | 'service' | 'methods' | 'setup' | '~state' | '~needs'> & {
    services: unknown;
    setup: Actor['setup'] | undefined;
  }
> = {
  services: optional(option(checkNeeds)),
  use: callbacks(),
  durable: optional(option(checkDurability)),
  setup: optional(callback()),
  handlers: handedOn(),
  passivate: optional(callback()),
  discard: optional(callback()),
  idleMs: milliseconds(1, defaults.idleMs),
  mailbox: integer(1, 2 ** 31, defaults.mailbox),
  onError: oneOf(['keep', 'restart'], defaults.onError),
};

/** @throws INVALID_OPTION */
export function checkImplementation<M extends Methods, State, Services>(
  { name, service, methods }: Pick<Actor, 'name' | 'service'> & { readonly methods: M },
  given: Implementation<M, State, Services> | AnyDurable<M, State, Services>,
): Actor<State, Services> {
  const owner = `actor ${name}`;
  const { services: _needs, ...options } = resolve(owner, implementationSpec, given, () => {
    checkState(owner, given);
  });
  return Object.freeze({
    name,
    service,
    methods,
    ...options,
    setup: options.durable?.setup ?? options.setup!,
    handlers: checkHandlers(owner, methods, options.handlers),
  });
}

/** The state is made by `setup`, or kept by `durable`, which leaves nothing to save or to discard. */
function checkState(owner: string, given: object): void {
  const { durable, ...options } = given as Readonly<Record<string, unknown>>;
  if (durable === undefined) {
    if (options['setup'] === undefined) throw invalidOption(owner, 'setup', undefined, 'a function');
    return;
  }
  const clash = ['setup', 'passivate', 'discard', 'onError'].find((name) => options[name] !== undefined);
  if (clash !== undefined) throw invalidOption(owner, clash, options[clash], 'left out with durable');
}

function checkDurability(owner: string, name: string, durable: unknown): Durability {
  if ((durable as Partial<Durability> | null)?.kind === 'durability') return durable as Durability;
  throw invalidOption(owner, name, durable, 'made by durableState() or eventSourced()');
}

function checkNeeds(owner: string, name: string, services: unknown): unknown {
  if ((services as Partial<Needs<unknown>> | null)?.kind === 'needs') return services;
  throw invalidOption(owner, name, services, 'made by needs()');
}

function checkHandlers(
  owner: string,
  methods: Readonly<Record<string, AnyMethod>>,
  handlers: object,
): Record<string, ErasedHandler> {
  const given: unknown = handlers;
  if (typeof given !== 'object' || given === null) throw invalidOption(owner, 'handlers', given, 'an object');
  const table = Object.create(null) as Record<string, ErasedHandler>;
  for (const name of Object.keys(methods)) {
    const handler: unknown = Object.hasOwn(given, name)
      ? (given as Record<string, unknown>)[name]
      : undefined;
    if (typeof handler !== 'function') throw invalidOption(owner, `handler ${name}`, handler, 'a function');
    table[name] = handler as ErasedHandler;
  }
  const extra = Object.keys(given).find((name) => !(name in table));
  if (extra !== undefined) throw invalidOption(owner, 'a handler', extra, 'for a method of the contract');
  return Object.freeze(table);
}
