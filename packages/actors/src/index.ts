export { keyHandler, scopedHandler } from './scoped-handler.ts';
export type { ScopedHandler } from './scoped-handler.ts';
export { defaults } from './options.ts';
export type { CreateContext, KeyHandlerOptions, ScopedHandlerOptions } from './options.ts';
export type { KeyedHandler, KeyedHandlerFunction, KeyedHandlerObject } from './keyed-handler.ts';
