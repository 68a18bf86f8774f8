/** Names for the sibling packages only: they may change in any release. */
export { messageType } from './method.ts';
export type { AnyMethod } from './method.ts';
export type { Referable } from './ref.ts';
export type { ServicesOption } from './actor-context.ts';
export type { ActorHandlerArguments } from './actor-handler-options.ts';
export { noActorMetrics } from './actor-metrics.ts';
