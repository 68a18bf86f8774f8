/** The options of the keyed handlers, checked once. */
import type { Clock, HandlerRequest, Logger } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { callback, clockOption, integer, milliseconds, resolve } from '@clstr/core/internal';
import { defaults } from './defaults.ts';
import type { KeyedHandler } from './keyed-handler.ts';

/** Where the handler that `create` makes will live. Nothing about a message: 100 of them may wait for it. */
export interface CreateContext {
  readonly nodeId: string;
  readonly log: Logger;
}

export interface KeyHandlerOptions {
  /**
   * Handlers kept at a time, from 1 to 16,777,216: those being created, in use and idle. As many again may be in
   * their `dispose`. Default 1,024.
   */
  cacheSize?: number | undefined;
  /** How long `close` waits for handlers still in use and for their `dispose`, in milliseconds. Default 2,000. */
  closeGraceMs?: number | undefined;
  clock?: Clock | undefined;
}

export interface ScopedHandlerOptions extends KeyHandlerOptions {
  /** The scope of a message. Anything but a non-empty string refuses the message as `MISSING_KEY_HEADER`. */
  extract: (request: HandlerRequest) => string | undefined;
  /** Makes the handler of one scope. */
  create: (scope: string, context: CreateContext) => KeyedHandler | Promise<KeyedHandler>;
}

export interface ResolvedOptions extends Resolved<ScopedHandlerOptions> {
  readonly owner: string;
}

/** A Map of V8 holds no more. */
const MAX_CACHE_SIZE = 0x100_0000;

export const keyHandlerSpec: Spec<Resolved<KeyHandlerOptions>> = {
  cacheSize: integer(1, MAX_CACHE_SIZE, defaults.cacheSize),
  closeGraceMs: milliseconds(0, defaults.closeGraceMs),
  clock: clockOption,
};

export const scopedHandlerSpec: Spec<Resolved<ScopedHandlerOptions>> = {
  extract: callback(),
  create: callback(),
  ...keyHandlerSpec,
};

/** @throws INVALID_OPTION */
export function resolveKeyHandlerOptions(create: unknown, given: KeyHandlerOptions): ResolvedOptions {
  const owner = 'keyHandler';
  const options = resolve(owner, keyHandlerSpec, given);
  return Object.freeze({
    ...options,
    owner,
    extract: (request: HandlerRequest) => request.key,
    create: scopedHandlerSpec.create.check(owner, 'create', create),
  });
}

/** @throws INVALID_OPTION */
export function resolveScopedHandlerOptions(given: ScopedHandlerOptions): ResolvedOptions {
  const owner = 'scopedHandler';
  return Object.freeze({ ...resolve(owner, scopedHandlerSpec, given), owner });
}
