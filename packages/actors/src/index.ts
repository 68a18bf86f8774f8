/** Actors: contracts, their implementation, and the handler that hosts them. */
export { defineActor } from './contract.ts';
export type { Contract, ContractOptions } from './contract.ts';
export { notify, request, type } from './method.ts';
export type {
  ErrorSchemas,
  InputOf,
  Methods,
  NoErrors,
  NotifyFlags,
  NotifyMethod,
  OutputOf,
  RequestFlags,
  RequestMethod,
} from './method.ts';
export { isActorError } from './declared-errors.ts';
export type { DeclaredError } from './declared-errors.ts';
export type { Calls } from './calls.ts';
export type { Caller, Ref } from './ref.ts';
export type { CannotTravel, CarriedValues, Travelling } from './travels.ts';
export type {
  Actor,
  DiscardContext,
  DiscardReason,
  Handlers,
  Implementation,
  PassivateContext,
  PassivateReason,
} from './implementation.ts';
export type { Durability, DurableHandlers, DurableImplementation } from './durability.ts';
export type { ActorContext, ActorLog, LifecycleContext, LogMethod, TimerHandler } from './actor-context.ts';
export type { Middleware, MiddlewareContext } from './middleware.ts';
export { needs } from './services.ts';
export type { Needs } from './services.ts';
export { actorHandler } from './actor-host.ts';
export type { ActorHandler } from './actor-host.ts';
export type { ActorHandlerOptions } from './actor-handler-options.ts';
export { defaults } from './defaults.ts';
