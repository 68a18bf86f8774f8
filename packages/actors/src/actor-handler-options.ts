/** The options of `actorHandler`, checked once, and what all its actors share. */
import type { Clock, Logger } from '@clstr/core';
import { systemClock } from '@clstr/core';
import { OverdueTurns } from '@clstr/core/handler';
import {
  FloodLog,
  checkInteger,
  checkKnownOptions,
  checkMethods,
  invalidOption,
  safeLogger,
  silentLogger,
} from '@clstr/core/internal';
import type { Services, ServicesOption } from './actor-context.ts';
import type { NodeScope } from './actor-core.ts';
import { noActorMetrics } from './actor-metrics.ts';
import type { ActorMetrics } from './actor-metrics.ts';
import { defaults } from './defaults.ts';
import type { Actor } from './implementation.ts';
import type { Caller } from './ref.ts';

/** `services` are given to actor code as `ctx.services`. */
export interface ActorHandlerOptions extends ServicesOption {
  /**
   * Actors kept in memory per type, from 1 to 8,388,607. As many again may be on their way out. When all are busy,
   * messages for other keys are `OVERLOADED`. Default 1024.
   */
  cacheSize?: number | undefined;
  /** What `ctx.ref` calls through. Borrowed. */
  client?: Caller | undefined;
  clock?: Clock | undefined;
  metrics?: ActorMetrics | undefined;
  logger?: Logger | undefined;
}

/** May be left out where `services` may. */
export type ActorHandlerArguments =
  Partial<ActorHandlerOptions> extends ActorHandlerOptions
    ? [options?: ActorHandlerOptions]
    : [options: ActorHandlerOptions];

const KNOWN = [
  'cacheSize',
  'services',
  'client',
  'clock',
  'metrics',
  'logger',
] as const satisfies readonly (keyof ActorHandlerOptions)[];

/** Twice as many and one more have to fit into a Map of V8, which holds 2^24. */
const MAX_CACHE_SIZE = 0x7f_ffff;

/** @throws INVALID_OPTION */
export function resolveActorHandlerOptions(
  actors: readonly Actor[],
  given: ActorHandlerOptions,
): { host: NodeScope; cacheSize: number } {
  const owner = 'actorHandler';
  checkActors(owner, actors);
  checkKnownOptions(owner, given, KNOWN);
  const { cacheSize = defaults.cacheSize, services = {}, client, clock = systemClock } = given;
  const { metrics = noActorMetrics } = given;
  checkMethods(owner, 'clock', clock, ['monoMs', 'timer', 'macrotask']);
  const logger = safeLogger(
    checkMethods(owner, 'logger', given.logger ?? silentLogger, ['debug', 'info', 'warn', 'error']),
  );
  return {
    cacheSize: checkInteger(owner, 'cacheSize', cacheSize, 1, MAX_CACHE_SIZE),
    host: {
      nodeId: '',
      services: checkServices(owner, services),
      client:
        client === undefined ? undefined : checkMethods(owner, 'client', client, ['requestKey', 'notifyKey']),
      clock,
      metrics: checkMethods(owner, 'metrics', metrics, ['active', 'panicked']),
      logger,
      floodLog: new FloodLog(logger, clock),
      overdue: new OverdueTurns(clock, logger),
    },
  };
}

function checkServices(owner: string, services: unknown): Services {
  if (typeof services === 'object' && services !== null) return services;
  throw invalidOption(owner, 'services', services, 'an object');
}

function checkActors(owner: string, actors: unknown): void {
  if (!Array.isArray(actors) || actors.length === 0) {
    throw invalidOption(owner, 'actors', actors, 'a list of actors');
  }
  for (const actor of actors as readonly (Partial<Actor> | null | undefined)[]) {
    if (typeof actor?.setup !== 'function') {
      throw invalidOption(owner, 'actors', actor, 'made by implement() of a contract, each of them');
    }
  }
}
