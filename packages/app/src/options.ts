/** The options of an app, checked before anything is started; the rest is checked by the parts it belongs to. */
import { constants } from 'node:os';
import type { Actor, ActorMetrics, Services } from '@clstr/actors';
import type { ServicesOption } from '@clstr/actors/internal';
import { ClstrError, defaults as coreDefaults, shardsForNode, systemClock } from '@clstr/core';
import {
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  invalidOption,
  silentLogger,
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
  /** Signals on which the app drains. */
  signals: ['SIGTERM', 'SIGINT'],
  /** How long running handlers may still take when it does, in milliseconds. */
  drainMs: 10_000,
} as const;
Object.freeze(defaults.signals);
Object.freeze(defaults);

/** What the app gives to its parts itself. */
type Shared = 'transport' | 'numShards' | 'seed' | 'clock' | 'metrics' | 'logger';

/** `services` are given to actor code as `ctx.services`. */
export interface AppOptions extends ServicesOption {
  /** Makes the transport; the app owns it and closes it. */
  transport: () => Transport | Promise<Transport>;
  actors: readonly Actor[];
  /**
   * A dynamic cluster: nodes come and go, and shards move with them. Default: a static cluster, as `nodeIds` says.
   */
  membership?: Membership | undefined;
  /** This process in the cluster. Needed with `nodeIds`; default `node-<6 random characters>`. */
  nodeId?: string | undefined;
  /**
   * All nodes of a static cluster, this one included. Default: this one alone, which then serves every shard.
   */
  nodeIds?: readonly string[] | undefined;
  /** Default 1024; the same in every process, for ever. */
  numShards?: number | undefined;
  /** Default ''; the same in every process, for ever. */
  seed?: string | undefined;
  /** Actors kept in memory per type. Default 1024. */
  cacheSize?: number | undefined;
  /** How long running handlers may still take when the app closes, in milliseconds. Default 10,000. */
  drainMs?: number | undefined;
  /** Signals on which the app drains; the process then ends by itself. `[]` for none. Default SIGTERM and SIGINT. */
  signals?: readonly NodeJS.Signals[] | undefined;
  /** Further options of the client, as {@link ClientOptions} has them. */
  client?: Omit<ClientOptions, Shared | 'routing'> | undefined;
  /** Further options of the node, as {@link NodeOptions} has them. */
  node?: Omit<NodeOptions, Shared | 'id' | 'shards' | 'membership' | 'handler'> | undefined;
  /** Of the client, the node and the actors, as is the next one. */
  clock?: Clock | undefined;
  metrics?: (Metrics & ActorMetrics) | undefined;
  /**
   * Where all parts log, the transport and the membership included unless they have a logger of their own; `false` for
   * nowhere. Default: warnings and errors go to stderr, as `stderrLogger()` writes them.
   */
  logger?: Logger | false | undefined;
}

export interface ResolvedAppOptions {
  readonly transport: () => Transport | Promise<Transport>;
  readonly actors: readonly Actor[];
  readonly nodeId: string | undefined;
  readonly ownership: Pick<NodeOptions, 'shards' | 'membership'>;
  readonly routing: Routing;
  readonly numShards: number;
  readonly seed: string;
  readonly services: Services | undefined;
  readonly cacheSize: number | undefined;
  readonly drainMs: number;
  readonly signals: readonly NodeJS.Signals[];
  readonly client: object;
  readonly node: object;
  readonly clock: Clock;
  readonly metrics: (Metrics & ActorMetrics) | undefined;
  readonly logger: Logger;
}

const OWNER = 'createApp';
const KNOWN = [
  'transport',
  'actors',
  'membership',
  'nodeId',
  'nodeIds',
  'numShards',
  'seed',
  'services',
  'cacheSize',
  'drainMs',
  'signals',
  'client',
  'node',
  'clock',
  'metrics',
  'logger',
] as const satisfies readonly (keyof AppOptions)[];

/** The most shards whose list one process is willing to make; far beyond what a bus can subscribe to. */
const MAX_SHARDS = 2 ** 24;
const MAX_DELAY_MS = 2 ** 31 - 1;

/** @throws INVALID_OPTION */
export function resolveAppOptions(given: AppOptions): ResolvedAppOptions {
  checkKnownOptions(OWNER, given, KNOWN);
  const { transport, actors, nodeId, nodeIds, membership } = given;
  if (typeof transport !== 'function') {
    throw invalidOption(OWNER, 'transport', transport, 'a function that makes one');
  }
  const list: unknown = actors;
  if (!Array.isArray(list) || list.length === 0) {
    throw invalidOption(OWNER, 'actors', list, 'a list of at least one actor');
  }
  if (membership !== undefined && nodeIds !== undefined) {
    throw invalidOption(OWNER, 'nodeIds', nodeIds, 'left out with membership');
  }
  const numShards = checkInteger(
    OWNER,
    'numShards',
    given.numShards ?? coreDefaults.numShards,
    1,
    MAX_SHARDS,
  );
  const seed = checkString(OWNER, 'seed', given.seed ?? coreDefaults.seed);
  return Object.freeze({
    transport,
    actors,
    nodeId,
    ownership:
      membership === undefined ? { shards: ownShards(nodeId, nodeIds, numShards, seed) } : { membership },
    routing: membership === undefined ? 'static' : 'topology',
    numShards,
    seed,
    services: given.services,
    cacheSize: given.cacheSize,
    drainMs: checkInteger(OWNER, 'drainMs', given.drainMs ?? defaults.drainMs, 0, MAX_DELAY_MS),
    signals: checkSignals(given.signals ?? defaults.signals),
    client: checkPart('client', given.client ?? {}, [...SHARED, 'routing']),
    node: checkPart('node', given.node ?? {}, [...SHARED, 'id', 'shards', 'membership', 'handler']),
    clock: given.clock ?? systemClock,
    metrics: given.metrics,
    logger: resolveLogger(given),
  });
}

function resolveLogger({ logger, clock }: AppOptions): Logger {
  if (logger === undefined) return stderrLogger({ clock });
  if (logger === false) return silentLogger;
  return checkMethods(OWNER, 'logger', logger, ['debug', 'info', 'warn', 'error']);
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

function checkSignals(signals: readonly NodeJS.Signals[]): readonly NodeJS.Signals[] {
  const list: unknown = signals;
  if (!Array.isArray(list)) throw invalidOption(OWNER, 'signals', list, 'a list of signal names');
  for (const name of list as unknown[]) {
    if (typeof name !== 'string' || !Object.hasOwn(constants.signals, name) || UNCATCHABLE.has(name)) {
      throw invalidOption(OWNER, 'signals', name, 'the name of a signal that a process may catch');
    }
  }
  return [...new Set(signals)];
}

const UNCATCHABLE: ReadonlySet<string> = new Set(['SIGKILL', 'SIGSTOP']);

const SHARED = [
  'transport',
  'numShards',
  'seed',
  'clock',
  'metrics',
  'logger',
] as const satisfies readonly Shared[];

/** Options in here that the app sets itself would be lost without a word. */
function checkPart(part: 'client' | 'node', options: object, taken: readonly string[]): object {
  if (typeof options !== 'object') throw invalidOption(OWNER, part, options, 'an object');
  const lost = taken.find((name) => name in options);
  if (lost === undefined) return options;
  throw new ClstrError(
    'INVALID_OPTION',
    `${OWNER}: ${part}.${lost} has no effect: the app gives it to all its parts`,
  );
}
