/** The options of `actorHandler`, checked once, and the scope that all its actors share. */
import type { Clock, Logger, Metrics } from '@clstr/core';
import { OverdueTurns } from '@clstr/core/handler';
import type { StateStore } from '@clstr/core/store';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  FloodLog,
  clockOption,
  integer,
  invalidOption,
  loggerOption,
  methods,
  metricsOption,
  optional,
  resolve,
  safeMetrics,
} from '@clstr/core/internal';
import type { NodeScope } from './actor-core.ts';
import { defaults } from './defaults.ts';
import type { Actor } from './implementation.ts';
import type { Caller } from './ref.ts';
import { Tasks } from './tasks.ts';

export interface ActorHandlerOptions<Services = unknown> {
  /** What the actors need, and get as `ctx.services`; required if they need anything. */
  services?: Services | undefined;
  /**
   * Actors kept in memory per type, from 1 to 8,388,607. As many again may be on their way out. When all are busy,
   * messages for other keys are `OVERLOADED`. Default 1,024.
   */
  cacheSize?: number | undefined;
  /** Where durable actors keep their state; needed if there are any. It is borrowed: the handler does not close it. */
  store?: StateStore | undefined;
  /** The client that `ctx.ref` calls through. It is borrowed: the handler does not close it. */
  client?: Caller | undefined;
  clock?: Clock | undefined;
  /** One or several. */
  metrics?: Metrics | readonly Metrics[] | undefined;
  logger?: Logger | undefined;
}

/** A V8 Map holds 2^24 entries, and 2 × cacheSize + 1 have to fit into one. */
const MAX_CACHE_SIZE = 0x7f_ffff;

export const actorHandlerSpec: Spec<
  Resolved<ActorHandlerOptions, 'client' | 'store', { metrics: readonly Metrics[] }>
> = {
  cacheSize: integer(1, MAX_CACHE_SIZE, defaults.cacheSize),
  services: { check: checkServices, fallback: () => ({}) },
  store: optional(methods(['load', 'append'])),
  client: optional(methods(['requestKey', 'notifyKey'])),
  clock: clockOption,
  metrics: metricsOption,
  logger: loggerOption,
};

/** @throws INVALID_OPTION */
export function resolveActorHandlerOptions(
  actors: readonly Actor[],
  given: ActorHandlerOptions,
): { host: NodeScope; cacheSize: number } {
  const owner = 'actorHandler';
  checkActors(owner, actors);
  const { cacheSize, services, store, client, clock, logger, ...rest } = resolve(
    owner,
    actorHandlerSpec,
    given,
  );
  const homeless = store === undefined && actors.find(({ durable }) => durable !== undefined);
  if (homeless) {
    throw invalidOption(
      owner,
      'store',
      store,
      `given, because the state of actor ${homeless.name} is durable`,
    );
  }
  const metrics = safeMetrics(rest.metrics, logger, clock);
  return {
    cacheSize,
    host: {
      nodeId: '',
      services,
      store,
      client,
      clock,
      metrics,
      mailboxes: { depth: 0 },
      tasks: new Tasks(metrics, clock),
      logger,
      floodLog: new FloodLog(logger, clock),
      overdue: new OverdueTurns(clock, logger),
    },
  };
}

function checkServices(owner: string, name: string, services: unknown): object {
  if (typeof services === 'object' && services !== null) return services;
  throw invalidOption(owner, name, services, 'an object');
}

function checkActors(owner: string, actors: unknown): void {
  if (!Array.isArray(actors) || actors.length === 0) {
    throw invalidOption(owner, 'actors', actors, 'a list of actors');
  }
  for (const actor of actors as readonly (Partial<Actor> | null | undefined)[]) {
    if (typeof actor?.setup !== 'function') {
      throw invalidOption(owner, 'actors', actor, 'a list of actors, each made by implement() of a contract');
    }
  }
}
