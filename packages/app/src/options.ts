/** The options of an app, checked before anything is started; the rest is checked by the parts it belongs to. */
import { constants } from 'node:os';
import { defaults as actorDefaults } from '@clstr/actors';
import type { Actor, ActorMetrics } from '@clstr/actors';
import { ClstrError, defaults as coreDefaults, shardsForNode, systemClock } from '@clstr/core';
import type { Check, Option, Resolved, Spec } from '@clstr/core/internal';
import {
  callback,
  handedOn,
  integer,
  invalidOption,
  loggerOption,
  milliseconds,
  option,
  optional,
  orMade,
  resolve,
  silentLogger,
  text,
} from '@clstr/core/internal';
import type {
  ClientOptions,
  Clock,
  Logger,
  Membership,
  Metrics,
  NodeOptions,
  Routing,
  Transport,
} from '@clstr/core';

import { stderrLogger } from './stderr-logger.ts';

export const defaults = {
  signals: ['SIGTERM', 'SIGINT'],
  drainMs: 10_000,
} as const;
Object.freeze(defaults.signals);
Object.freeze(defaults);

/** What the app gives to its parts itself. */
type Shared = 'transport' | 'numShards' | 'seed' | 'clock' | 'metrics' | 'logger';

export interface AppOptions<Services = unknown> {
  /** Makes the transport; the app owns it and closes it. */
  transport: () => Transport | Promise<Transport>;
  actors: readonly Actor<unknown, Services>[];
  /** What the actors need, and get as `ctx.services`; required if they need anything. */
  services?: Services | undefined;
  /**
   * A dynamic cluster: nodes come and go, and shards move with them. Default: a static cluster, as `nodeIds` says.
   */
  membership?: Membership | undefined;
  /** This process in the cluster. Needed with `nodeIds`. Default: `node-<6 random characters>`. */
  nodeId?: string | undefined;
  /**
   * All nodes of a static cluster, this one included. Default: this one alone, which then serves every shard.
   */
  nodeIds?: readonly string[] | undefined;
  /** Shards of the cluster; the same in every process, and never changed. Default 1,024. */
  numShards?: number | undefined;
  /** Mixed into every hash; the same in every process, and never changed. Default ''. */
  seed?: string | undefined;
  /** Actors kept in memory per type. Default 1,024. */
  cacheSize?: number | undefined;
  /** How long running handlers may still take when the app closes, in milliseconds. Default 10,000. */
  drainMs?: number | undefined;
  /** Signals on which the app drains; the process then ends by itself. `[]` for none. Default `['SIGTERM', 'SIGINT']`. */
  signals?: readonly NodeJS.Signals[] | undefined;
  /** Further options of the client, as {@link ClientOptions} has them. */
  client?: Omit<ClientOptions, Shared | 'routing'> | undefined;
  /** Further options of the node, as {@link NodeOptions} has them. */
  node?: Omit<NodeOptions, Shared | 'id' | 'shards' | 'membership' | 'handler'> | undefined;
  /** For the client, the node and the actors, like the next option. */
  clock?: Clock | undefined;
  metrics?: (Metrics & ActorMetrics) | undefined;
  /**
   * Where all parts log, the transport and the membership included unless they have a logger of their own; `false` for
   * nowhere. Default: warnings and errors go to stderr, as `stderrLogger()` writes them.
   */
  logger?: Logger | false | undefined;
}

/** They are undefined when they are not given; the parts that they are handed on to check them. */
type Maybe = 'membership' | 'nodeId' | 'nodeIds' | 'services' | 'metrics' | 'logger';
type AppTable = Resolved<AppOptions, Maybe>;

export interface ResolvedAppOptions extends Omit<AppTable, 'membership' | 'nodeIds' | 'logger'> {
  readonly ownership: Pick<NodeOptions, 'shards' | 'membership'>;
  readonly routing: Routing;
  readonly logger: Logger;
}

const OWNER = 'createApp';
/** The most shards whose list one process is willing to make; far beyond what a bus can subscribe to. */
const MAX_SHARDS = 2 ** 24;
const SHARED: readonly Shared[] = ['transport', 'numShards', 'seed', 'clock', 'metrics', 'logger'];

export const appSpec: Spec<AppTable> = {
  transport: callback('a function that makes one'),
  actors: option(checkActors),
  membership: handedOn(),
  nodeId: handedOn(),
  nodeIds: handedOn(),
  numShards: integer(1, MAX_SHARDS, coreDefaults.numShards),
  seed: text(coreDefaults.seed),
  services: handedOn(),
  cacheSize: orMade(handedOn(), () => actorDefaults.cacheSize),
  drainMs: milliseconds(0, defaults.drainMs),
  signals: option(checkSignals, defaults.signals),
  client: partOption([...SHARED, 'routing']),
  node: partOption([...SHARED, 'id', 'shards', 'membership', 'handler']),
  clock: orMade(handedOn(), () => systemClock),
  metrics: handedOn(),
  logger: optional(
    option((owner, name, value) => (value === false ? silentLogger : loggerOption.check(owner, name, value))),
  ),
};

/** @throws INVALID_OPTION */
export function resolveAppOptions(given: AppOptions): ResolvedAppOptions {
  const { membership, nodeIds, ...options } = resolve(OWNER, appSpec, given, checkOwnership);
  const { nodeId, numShards, seed, logger, clock } = options;
  return Object.freeze({
    ...options,
    ownership:
      membership === undefined ? { shards: ownShards(nodeId, nodeIds, numShards, seed) } : { membership },
    routing: membership === undefined ? 'static' : 'topology',
    logger: logger || stderrLogger({ clock }),
  });
}

function checkOwnership({ membership, nodeIds }: AppOptions): void {
  if (membership === undefined || nodeIds === undefined) return;
  throw invalidOption(OWNER, 'nodeIds', nodeIds, 'left out with membership');
}

function checkActors(owner: string, name: string, actors: unknown): readonly Actor[] {
  if (Array.isArray(actors) && actors.length > 0) return actors as Actor[];
  throw invalidOption(owner, name, actors, 'a list of at least one actor');
}

function ownShards(
  nodeId: string | undefined,
  nodeIds: readonly string[] | undefined,
  numShards: number,
  seed: string,
): readonly number[] {
  if (nodeIds === undefined) return Array.from({ length: numShards }, (_, shard) => shard);
  if (nodeId === undefined) throw invalidOption(OWNER, 'nodeId', nodeId, 'given together with nodeIds');
  return shardsForNode(nodeId, nodeIds, numShards, seed);
}

function checkSignals(owner: string, name: string, signals: unknown): readonly NodeJS.Signals[] {
  if (!Array.isArray(signals)) throw invalidOption(owner, name, signals, 'a list of signal names');
  for (const signal of signals as unknown[]) {
    if (typeof signal !== 'string' || !Object.hasOwn(constants.signals, signal) || UNCATCHABLE.has(signal)) {
      throw invalidOption(owner, name, signal, 'the name of a signal that a process may catch');
    }
  }
  return [...new Set(signals as NodeJS.Signals[])];
}

const UNCATCHABLE: ReadonlySet<string> = new Set(['SIGKILL', 'SIGSTOP']);

/** Options in here that the app sets itself would be lost without a word. */
function partOption<T extends object>(taken: readonly string[]): Option<T> {
  const check: Check<T> = (owner, name, value) => {
    if (typeof value !== 'object' || value === null) throw invalidOption(owner, name, value, 'an object');
    const lost = taken.find((key) => key in value);
    if (lost === undefined) return value as T;
    throw new ClstrError(
      'INVALID_OPTION',
      `${owner}: ${name}.${lost} has no effect: the app gives it to all its parts`,
    );
  };
  return { check, fallback: () => ({}) as T };
}
