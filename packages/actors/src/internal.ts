/** Names for the sibling packages only: they may change in any release. */
export { messageType } from './method.ts';
export type { AnyMethod } from './method.ts';
export { MessageContext, coreOf } from './contexts.ts';
export type { ActorCore } from './actor-core.ts';
export type { ErasedHandler } from './actor-context.ts';
export type { Durability } from './durability.ts';
export { actorName } from './actor-name.ts';
export type { Referable } from './ref.ts';
export type { AnyActor } from './implementation.ts';
export type { GivenServices, OptionsArgument, ServicesOf } from './services.ts';
