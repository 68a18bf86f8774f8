/** For layers on top of handlers, such as actors: refusals, call chains, turns that are overdue. */
export { asRefusal, dispositionOf, forCaller } from './base/errors.ts';
export type { Failure } from './base/errors.ts';
export { MAX_CALL_DEPTH } from './wire/call-chain.ts';
export type { CallChain } from './wire/call-chain.ts';
export { OverdueTurns } from './base/overdue-turns.ts';
export type { WatchedTurn } from './base/overdue-turns.ts';
