/** The options of the keyed handlers, checked once. */
import type { Clock, HandlerRequest, Logger } from '@clstr/core';
import { systemClock } from '@clstr/core';
import { checkInteger, checkKnownOptions, invalidOption } from '@clstr/core/internal';
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
   * their `dispose`. Default 1024.
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

export interface ResolvedOptions {
  readonly owner: string;
  readonly extract: (request: HandlerRequest) => unknown;
  readonly create: (scope: string, context: CreateContext) => unknown;
  readonly cacheSize: number;
  readonly closeGraceMs: number;
  readonly clock: Clock;
}

const SHARED_OPTIONS = [
  'cacheSize',
  'closeGraceMs',
  'clock',
] as const satisfies readonly (keyof KeyHandlerOptions)[];
const SCOPED_OPTIONS = [
  'extract',
  'create',
  ...SHARED_OPTIONS,
] as const satisfies readonly (keyof ScopedHandlerOptions)[];

/** A Map of V8 holds no more. */
const MAX_CACHE_SIZE = 0x100_0000;
const MAX_DELAY_MS = 0x7fff_ffff;

/** @throws INVALID_OPTION */
export function resolveKeyHandlerOptions(create: unknown, given: KeyHandlerOptions): ResolvedOptions {
  checkKnownOptions('keyHandler', given, SHARED_OPTIONS);
  return resolve('keyHandler', { ...given, extract: (request) => request.key, create: create as never });
}

/** @throws INVALID_OPTION */
export function resolveScopedHandlerOptions(given: ScopedHandlerOptions): ResolvedOptions {
  checkKnownOptions('scopedHandler', given, SCOPED_OPTIONS);
  return resolve('scopedHandler', given);
}

function resolve(owner: string, given: ScopedHandlerOptions): ResolvedOptions {
  const { cacheSize = defaults.cacheSize, closeGraceMs = defaults.closeGraceMs } = given;
  return Object.freeze({
    owner,
    extract: checkFunction(owner, 'extract', given.extract),
    create: checkFunction(owner, 'create', given.create),
    cacheSize: checkInteger(owner, 'cacheSize', cacheSize, 1, MAX_CACHE_SIZE),
    closeGraceMs: checkInteger(owner, 'closeGraceMs', closeGraceMs, 0, MAX_DELAY_MS),
    clock: checkClock(owner, given.clock ?? systemClock),
  });
}

function checkFunction<F>(owner: string, name: string, value: F): F {
  if (typeof value !== 'function') throw invalidOption(owner, name, value, 'a function');
  return value;
}

function checkClock(owner: string, clock: Clock): Clock {
  if (typeof (clock as Partial<Clock>).timer !== 'function') {
    throw invalidOption(owner, 'clock', clock, 'an object with a method timer()');
  }
  return clock;
}
