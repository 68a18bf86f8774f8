/** What a user makes for one key: how it is called, and how it ends. */
import type { HandlerContext, HandlerRequest } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';

/** Handles the messages of one key, given as an object. */
export interface KeyedHandlerObject {
  /** Returns the reply, or a promise of it. */
  handle(request: HandlerRequest, context: HandlerContext): unknown;
  /** Called once, when the handler leaves the cache and all its calls have ended. What it throws is logged. */
  dispose?(): unknown;
}

/** Handles the messages of one key, given as a function, which may carry a `dispose`. */
export interface KeyedHandlerFunction {
  (request: HandlerRequest, context: HandlerContext): unknown;
  /** As {@link KeyedHandlerObject.dispose}. */
  dispose?(): unknown;
}

/** Messages of one key may run concurrently: nothing here queues them. */
export type KeyedHandler = KeyedHandlerObject | KeyedHandlerFunction;

/** @throws INVALID_OPTION when `value`, returned by the user's `create`, is not a handler. */
export function checkKeyedHandler(owner: string, value: unknown): KeyedHandler {
  const isHandler =
    typeof value === 'function' ||
    (typeof value === 'object' && value !== null && 'handle' in value && typeof value.handle === 'function');
  if (isHandler) return value as KeyedHandler;
  throw invalidOption(owner, 'what create returns', value, 'a function or an object with a method handle()');
}

export function callKeyedHandler(
  handler: KeyedHandler,
  request: HandlerRequest,
  context: HandlerContext,
): unknown {
  return typeof handler === 'function' ? handler(request, context) : handler.handle(request, context);
}
