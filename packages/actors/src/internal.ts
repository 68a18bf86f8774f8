/** Names for the sibling packages only: they may change in any release. */
export { messageType } from './method.ts';
export type { AnyMethod } from './method.ts';
export type { Referable } from './ref.ts';
export type { AnyActor } from './implementation.ts';
export type { GivenServices, OptionsArgument, ServicesOf } from './services.ts';
