export { defineActor } from './contract.ts';
export type { Contract } from './contract.ts';
export { messageType, notify, request, type } from './method.ts';
export type {
  AnyMethod,
  InputOf,
  Methods,
  NotifyFlags,
  NotifyMethod,
  OutputOf,
  RequestFlags,
  RequestMethod,
} from './method.ts';
export type { Caller, Ref, Referable } from './ref.ts';
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
export type {
  ActorContext,
  LifecycleContext,
  Services,
  ServicesOption,
  TimerHandler,
} from './actor-context.ts';

export { actorHandler } from './actor-host.ts';
export type { ActorHandler } from './actor-host.ts';
export type { ActorHandlerArguments, ActorHandlerOptions } from './actor-handler-options.ts';
export { noActorMetrics } from './actor-metrics.ts';
export type { ActorMetrics } from './actor-metrics.ts';
export { defaults } from './defaults.ts';

export { keyHandler, scopedHandler } from './scoped-handler.ts';
export type { ScopedHandler } from './scoped-handler.ts';
export type { CreateContext, KeyHandlerOptions, ScopedHandlerOptions } from './options.ts';
export type { KeyedHandler, KeyedHandlerFunction, KeyedHandlerObject } from './keyed-handler.ts';
