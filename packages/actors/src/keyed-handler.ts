/** The handler that a user creates for one key: how it is called, and how it ends. */
import type { HandlerContext, HandlerRequest } from '@clstr/core';
import { invalidOption } from '@clstr/core/internal';

/** A handler for the messages of one key, as an object. */
export interface KeyedHandlerObject {
  /** Returns the reply or a promise of it. */
  handle(request: HandlerRequest, context: HandlerContext): unknown;
  /** Called once, when the handler has left the cache and all its calls have ended. Errors are logged. */
  dispose?(): unknown;
}

/** A handler for the messages of one key, as a function that may have a `dispose`. */
export interface KeyedHandlerFunction {
  (request: HandlerRequest, context: HandlerContext): unknown;
  /** Does the same as {@link KeyedHandlerObject.dispose}. */
  dispose?(): unknown;
}

/** A handler for one key. Messages of a key may run concurrently: nothing queues them. */
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
