/** One handler per key or scope from a bounded cache, without mailboxes. */
export { keyHandler, scopedHandler } from './scoped-handler.ts';
export type { ScopedHandler } from './scoped-handler.ts';
export type { CreateContext, KeyHandlerOptions, ScopedHandlerOptions } from './options.ts';
export type { KeyedHandler, KeyedHandlerFunction, KeyedHandlerObject } from './keyed-handler.ts';
