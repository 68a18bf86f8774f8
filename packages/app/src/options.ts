/** The options of an app, checked before anything is started; the rest is checked by the parts it belongs to. */
import { constants } from 'node:os';
import { defaults as actorDefaults } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { ClstrError, defaults as coreDefaults, shardsForNode } from '@clstr/core';
import type { StateStores } from '@clstr/core/store';
import type { Check, Option, Resolved, Spec } from '@clstr/core/internal';
import {
  callback,
  clockOption,
  handedOn,
  integer,
  invalidOption,
  loggerOption,
  methods,
  milliseconds,
  option,
  optional,
  orMade,
  resolve,
  serviceOption,
  silentLogger,
  text,
} from '@clstr/core/internal';
import type {
  ClientOptions,
  Clock,
  Cluster,
  Logger,
  Membership,
  Metrics,
  NodeOptions,
  Tracing,
  Transport,
} from '@clstr/core';

import type { HealthFollower } from './health/handler.ts';
import { hostedServices } from './hosted-services.ts';
import type { HostedService } from './hosted-services.ts';
import { placeIn, placeOf } from './place.ts';
import type { Place } from './place.ts';
import { stderrLogger } from './stderr-logger.ts';

export const defaults = {
  signals: ['SIGTERM', 'SIGINT'],
  drainMs: 10_000,
  drainDelayMs: 0,
} as const;
Object.freeze(defaults.signals);
Object.freeze(defaults);

/** What the app gives to its parts itself. */
type Shared = 'transport' | 'numShards' | 'seed' | 'clock' | 'metrics' | 'tracing' | 'logger';

export interface AppOptions<Services = unknown> {
  /** Where the cluster is: `natsCluster(…)` or `memoryCluster(…)`. Or give `transport`, and what else is needed. */
  cluster?: Cluster | undefined;
  /** Makes the transport; the app owns it and closes it. */
  transport?: (() => Transport | Promise<Transport>) | undefined;
  /** With `cluster`, actors of several services may stand here: each service gets a node of its own. */
  actors: readonly Actor<unknown, Services>[];
  /** Where durable actors keep their state: `jetstreamStore()`, for example. Required if there are any. */
  store?: StateStores | undefined;
  /** What the actors need, and get as `ctx.services`; required if they need anything. */
  services?: Services | undefined;
  /**
   * With `cluster`: the service of the actors whose contracts name none. Default: the service of the first actor if all
   * of them name one, otherwise the default service.
   */
  service?: string | undefined;
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
  /** Answers probes about this app, from before it connects until it has closed: `healthHandler()`. */
  health?: HealthFollower | undefined;
  /** Called last when the app closes, after its actors are saved: for what they use, such as a database. */
  onClose?: (() => unknown) | undefined;
  /** Actors kept in memory per type. Default 1,024. */
  cacheSize?: number | undefined;
  /** How long running handlers may still take when the app closes, in milliseconds. Default 10,000. */
  drainMs?: number | undefined;
  /**
   * How long the app goes on serving before it closes, in milliseconds, while `/readyz` fails already: for a process that
   * also serves HTTP behind a load balancer, which needs that long to send requests elsewhere. Default 0.
   */
  drainDelayMs?: number | undefined;
  /** Signals on which the app drains; the process then ends by itself. `[]` for none. Default `['SIGTERM', 'SIGINT']`. */
  signals?: readonly NodeJS.Signals[] | undefined;
  /** Further options of the client, as {@link ClientOptions} has them. */
  client?: Omit<ClientOptions, Shared | 'routing'> | undefined;
  /** Further options of the node, as {@link NodeOptions} has them. */
  node?: Omit<NodeOptions, Shared | 'id' | 'shards' | 'membership' | 'handler' | 'maxRunning'> | undefined;
  /** For the client, the node and the actors, like the next two options. */
  clock?: Clock | undefined;
  /** One or several, such as `prometheusMetrics()` of `@clstr/prometheus`. */
  metrics?: Metrics | readonly Metrics[] | undefined;
  /** Observes single calls and messages, as spans; for the client and the nodes. */
  tracing?: Tracing | undefined;
  /**
   * Where all parts log, the transport and the membership included unless they have a logger of their own; `false` for
   * nowhere. Default: warnings and errors go to stderr, as `stderrLogger()` writes them.
   */
  logger?: Logger | false | undefined;
}

/** They are undefined when they are not given; the parts that they are handed on to check them. */
type Maybe =
  | 'cluster'
  | 'transport'
  | 'service'
  | 'store'
  | 'membership'
  | 'nodeId'
  | 'nodeIds'
  | 'health'
  | 'onClose'
  | 'services'
  | 'metrics'
  | 'tracing'
  | 'logger';
type AppTable = Resolved<AppOptions, Maybe>;

type Placed =
  'cluster' | 'transport' | 'service' | 'actors' | 'membership' | 'nodeIds' | 'numShards' | 'seed';

export interface ResolvedAppOptions extends Omit<AppTable, Placed | 'logger'> {
  readonly place: Place;
  /** The app's own service first. */
  readonly hosted: readonly HostedService[];
  readonly logger: Logger;
}

const OWNER = 'createApp';
/** The most shards whose list one process is willing to make; far beyond what a bus can subscribe to. */
const MAX_SHARDS = 2 ** 24;
const SHARED: readonly Shared[] = ['transport', 'numShards', 'seed', 'clock', 'metrics', 'tracing', 'logger'];

/** As `natsCluster` and `memoryCluster` make it. */
export const clusterOption: Option<Cluster> = methods(['connect', 'membership']);

/** As `healthHandler` makes it. */
export const healthOption: Option<HealthFollower> = methods(['follow']);

export const appSpec: Spec<AppTable> = {
  cluster: optional(clusterOption),
  transport: optional(callback('a function that makes one')),
  service: serviceOption,
  actors: option(checkActors),
  store: optional(methods(['open'])),
  membership: handedOn(),
  nodeId: handedOn(),
  nodeIds: handedOn(),
  numShards: integer(1, MAX_SHARDS, coreDefaults.numShards),
  seed: text(coreDefaults.seed),
  health: optional(healthOption),
  onClose: optional(callback()),
  services: handedOn(),
  cacheSize: orMade(handedOn(), () => actorDefaults.cacheSize),
  drainMs: milliseconds(0, defaults.drainMs),
  drainDelayMs: milliseconds(0, defaults.drainDelayMs),
  signals: option(checkSignals, defaults.signals),
  client: partOption([...SHARED, 'routing']),
  node: partOption([...SHARED, 'id', 'shards', 'membership', 'handler']),
  clock: clockOption,
  metrics: handedOn(),
  tracing: handedOn(),
  logger: optional(
    option((owner, name, value) => (value === false ? silentLogger : loggerOption.check(owner, name, value))),
  ),
};

/** @throws INVALID_OPTION */
export function resolveAppOptions(given: AppOptions): ResolvedAppOptions {
  const resolved = resolve(OWNER, appSpec, given, checkPlace);
  const { cluster, transport, service, actors, membership, nodeIds, numShards, seed, ...options } = resolved;
  const hosted = hostedServices(actors, service);
  return Object.freeze({
    ...options,
    hosted,
    place:
      cluster === undefined
        ? placeOf(transport!, {
            numShards,
            seed,
            membership,
            shards:
              membership === undefined ? ownShards(options.nodeId, nodeIds, numShards, seed) : undefined,
            routing: membership === undefined ? 'static' : 'topology',
          })
        : placeIn(cluster),
    logger: options.logger || cluster?.logger || stderrLogger({ clock: options.clock }),
  });
}

/** A cluster already says what these options say. Without a cluster the app has one service, and its options say it. */
function checkPlace(given: AppOptions): void {
  const { cluster, transport, membership, nodeIds } = given;
  if (cluster === undefined && transport === undefined) {
    throw invalidOption(
      OWNER,
      'cluster',
      cluster,
      'given, as natsCluster or memoryCluster make it, or transport in its place',
    );
  }
  if (cluster !== undefined) refuseSaidByCluster(OWNER, given);
  else if (given.service !== undefined) {
    throw invalidOption(OWNER, 'service', given.service, 'left out without cluster');
  }
  if (membership !== undefined && nodeIds !== undefined) {
    throw invalidOption(OWNER, 'nodeIds', nodeIds, 'left out with membership');
  }
  const stranger =
    cluster === undefined && Array.isArray(given.actors)
      ? (given.actors as readonly Actor[]).find(hasService)
      : undefined;
  if (stranger !== undefined) {
    const what = `an actor of the service ${stranger.service!}`;
    throw invalidOption(
      OWNER,
      'cluster',
      cluster,
      `given for ${what}: a transport alone leads to one service`,
    );
  }
}

/**
 * Refuses what a cluster says by itself, next to `cluster`.
 *
 * @throws INVALID_OPTION
 */
export function refuseSaidByCluster(owner: string, given: object): void {
  const values = given as Readonly<Record<string, unknown>>;
  const clash = SAID_BY_CLUSTER.find((name) => values[name] !== undefined);
  if (clash === undefined) return;
  throw invalidOption(owner, clash, values[clash], 'left out with cluster, which says it');
}

const SAID_BY_CLUSTER = ['transport', 'membership', 'nodeIds', 'numShards', 'seed', 'routing'] as const;

function hasService(actor: Actor): boolean {
  return (actor as Partial<Actor> | undefined)?.service !== undefined;
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
