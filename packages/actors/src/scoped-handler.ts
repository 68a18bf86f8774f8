/** Handlers with one instance per key or scope: created at its first message, kept while there is room. */
import type { Handler, HandlerContext, HandlerRequest } from '@clstr/core';
import { missingScope } from './errors.ts';
import type { KeyedHandler } from './keyed-handler.ts';
import { resolveKeyHandlerOptions, resolveScopedHandlerOptions } from './options.ts';
import type { CreateContext, KeyHandlerOptions, ResolvedOptions, ScopedHandlerOptions } from './options.ts';
import { ScopeCache } from './scope-cache.ts';

/** A handler for one node, which closes it when it ends. */
export interface ScopedHandler extends Handler {
  /**
   * Refuses new messages as `DRAINING` and disposes every instance once its calls have ended. Waits `closeGraceMs` for
   * that, then logs a warning; the remaining instances are still disposed when their calls end. Idempotent.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Gives each routing key a handler of its own, like {@link scopedHandler} with the key as the scope. It refuses a
 * message without a key as `MISSING_KEY_HEADER`.
 *
 * @throws INVALID_OPTION
 */
export function keyHandler(
  create: (key: string, context: CreateContext) => KeyedHandler | Promise<KeyedHandler>,
  options: KeyHandlerOptions = {},
): ScopedHandler {
  return toHandler(resolveKeyHandlerOptions(create, options), 'a key');
}

/**
 * Gives each scope, a string that `extract` finds in the message, a handler of its own, created by `create`.
 *
 * - A scope never has two instances at a time: messages that arrive during `create` wait for it, and those that arrive
 *   during `dispose` wait for its end and share the next instance.
 * - The longest idle instance is evicted to make room for a new one. One with calls in flight never is: when all are in
 *   use, or as many as `cacheSize` are in their `dispose`, a message for a new scope is refused as `OVERLOADED`.
 * - Messages of one scope run **concurrently**; there is no mailbox here.
 * - When `create` fails, every message that waited fails with its error, and the next one tries again. `create` is user
 *   code, so its error reaches the caller like that of a handler, never as `not-executed`.
 * - A message whose caller gave up before `create` ended is not handled.
 *
 * @throws INVALID_OPTION
 */
export function scopedHandler(options: ScopedHandlerOptions): ScopedHandler {
  return toHandler(resolveScopedHandlerOptions(options), 'a scope');
}

function toHandler(options: ResolvedOptions, what: string): ScopedHandler {
  const cache = new ScopeCache(options);
  const handle = (request: HandlerRequest, context: HandlerContext): unknown => {
    const scope = options.extract(request);
    if (typeof scope !== 'string' || scope === '') throw missingScope(request, what, scope);
    return cache.handle(scope, request, context);
  };
  const close = (): Promise<void> => cache.close();
  return Object.assign(handle, { close, [Symbol.asyncDispose]: close });
}
