/** The seam for actors whose state outlives their process: what `durableState` and `eventSourced` of @clstr/durable make. */
import type { ActorContext, ErasedHandler, LifecycleContext } from './actor-context.ts';
import type { ErrorsOf, HandlerInputOf, HandlerOutputOf, Methods } from './method.ts';
import type { Middleware } from './middleware.ts';
import type { Needs } from './services.ts';

export interface Durability<State = unknown, Kit = unknown> {
  readonly kind: 'durability';
  /** Loads the state of a key before its first message. */
  readonly setup: (context: LifecycleContext) => Promise<unknown>;
  /** Wraps a method and its validators in what a turn stores. The state that it gets is what `setup` has returned. */
  turn(isReadonly: boolean, call: ErasedHandler): ErasedHandler;
  /** The state that handlers get, of what `setup` has returned. */
  stateOf(activation: unknown): unknown;
  /** Types only, never set. */
  readonly '~types'?: { readonly state: State; readonly kit: Kit };
}

/** `Kit` is what the durability adds to the context of a handler. It has no timers in memory, which would not survive. */
export type DurableHandlers<M extends Methods, State, Kit, Services = unknown> = {
  readonly [Name in keyof M]: (
    state: State,
    input: HandlerInputOf<M[Name]>,
    context: Omit<ActorContext<Services, ErrorsOf<M[Name]>>, 'every' | 'after'> & Kit,
  ) => HandlerOutputOf<M[Name]> | Promise<HandlerOutputOf<M[Name]>>;
};

/** Any kit, to those who do not call the handlers. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- only `any` matches kits of all types
export type AnyDurable<M extends Methods, State, Services> = DurableImplementation<M, State, any, Services>;

export interface DurableImplementation<M extends Methods, State, Kit, Services = unknown> {
  /** What the actor's code gets as `ctx.services`, declared by `needs`. Default: nothing. */
  services?: Needs<Services> | undefined;
  /** Runs around each message handler, within its turn and after the input was validated; the first is outermost. */
  use?: readonly Middleware<Services>[] | undefined;
  /** How the state is kept: `durableState({ initial })` or `eventSourced({ initial, events })`, before `handlers`. */
  durable: Durability<State, Kit>;
  /** What a handler changes is stored before its reply leaves; a handler that throws leaves no trace. */
  handlers: DurableHandlers<M, State, Kit, Services>;
  /** As for other actors. */
  idleMs?: number | undefined;
  mailbox?: number | undefined;
}
