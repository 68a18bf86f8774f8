/** The options of a node, checked once. */
import type { Clock } from '../base/clock.ts';
import { clockOption } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Metrics, SafeMetrics } from '../base/metrics.ts';
import { loggerOption } from '../base/observers.ts';
import { defaults } from '../base/defaults.ts';
import { MAX_SHARDS, checkInteger, invalidOption } from '../base/options.ts';
import type { Random } from '../base/random.ts';
import { randomId, randomOption } from '../base/random.ts';
import { metricsOption, safeMetrics } from '../base/safe-metrics.ts';
import type { Resolved, Spec } from '../base/spec.ts';
import {
  callback,
  callbacks,
  integer,
  methods,
  milliseconds,
  oneOf,
  option,
  optional,
  resolve,
  text,
} from '../base/spec.ts';
import { nodeHandlersOption } from './node-handlers.ts';
import type { NodeHandlers } from './node-handlers.ts';
import type { Membership } from '../cluster/membership.ts';
import { traitsOf } from '../cluster/traits.ts';
import type { MemberTraits } from '../cluster/traits.ts';
import { weightOption } from '../placement/placement.ts';
import { ADDRESS_TOKEN } from '../wire/address.ts';
import { identityOf } from '../wire/cluster-identity.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import type { Codec } from '../wire/codec.ts';
import { codecOption } from '../wire/codec.ts';
import { envelopeLimits } from '../wire/envelope.ts';
import { tracingOption } from '../wire/tracing.ts';
import type { Tracing } from '../wire/tracing.ts';
import type { ClusterLocation, Transport } from '../wire/transport.ts';
import type { Handler, NodeInterceptor } from './handler.ts';
import { sheddingOption } from './shedding-options.ts';
import type { SheddingOptions } from './shedding-options.ts';
import { idempotencyOption } from './idempotency-options.ts';
import type { IdempotencyOptions, ResolvedIdempotencyOptions } from './idempotency-options.ts';

export interface NodeOptions {
  /** Unique in the cluster, of `[A-Za-z0-9_-]{1,64}`. Default: `node-<6 random characters>`. */
  id?: string | undefined;
  /** The node borrows it: closing the node leaves it open. */
  transport: Transport;
  /** Shards of the cluster; the same at every node and client, and never changed. Default 1,024. */
  numShards?: number | undefined;
  /** Mixed into every hash; the same at every node and client, and never changed. Default ''. */
  seed?: string | undefined;
  /**
   * A static cluster: the shards this node serves; give each shard to one node only. `shardsForNode` computes a fair
   * share. Give this or `membership`.
   */
  shards?: readonly number[] | undefined;
  /** A dynamic cluster: nodes come and go, and shards move with them. */
  membership?: Membership | undefined;
  /**
   * With `membership`: how much of the shards this node gets, in proportion to the others; above 0, at most 1,000. It
   * may differ after a restart. Default 1.
   */
  weight?: number | undefined;
  /**
   * With `membership`. `exclusive`: you guarantee that no two processes run under this id at a time, as a StatefulSet of
   * Kubernetes does; a restarted process then replaces its former run and takes its shards at once. `checked`: it waits
   * until the lease of a former run that did not end properly is over. Default `checked`.
   */
  identity?: 'checked' | 'exclusive' | undefined;
  /**
   * With `membership`, where this node makes the first record of an empty bucket. `trust`: shards are served once every
   * owner from an earlier bucket that can reach the store has noticed its loss. `wait`: only once the lease of an owner
   * that cannot reach the store is over too. Default `trust`.
   */
  newBucket?: 'trust' | 'wait' | undefined;
  handler: Handler;
  /**
   * Functions for the messages to the node itself: those of `client.broadcast()`, `gather()` and `any()`. Interceptors run
   * around them too, with the shard `NO_SHARD`. Default: none, and the node refuses such messages as `UNKNOWN_TYPE`.
   */
  nodeHandlers?: NodeHandlers | undefined;
  /** Run around every handler call; the first is outermost. */
  interceptors?: readonly NodeInterceptor[] | undefined;
  /** The same at every node and client. Default: JSON. */
  codec?: Codec | undefined;
  /** Longest time a handler may run, in milliseconds. Default 30,000. */
  handlerTimeoutMs?: number | undefined;
  /** How many messages may be accepted and not yet answered; more are `OVERLOADED`. Default 16,384. */
  maxInFlight?: number | undefined;
  /** Their payloads, keys and headers together, in bytes; more is `OVERLOADED`. Default 64 MiB. */
  maxInFlightBytes?: number | undefined;
  /**
   * How many handlers may run at once; further messages wait in order, for as long as their time allows, and count as in
   * flight. Calls of the node's own handlers do not wait. Not for actors, whose messages wait in mailboxes. Left out: as
   * many as there are.
   */
  maxRunning?: number | undefined;
  /**
   * Refuses calls, critical ones last, while messages wait too long for this node, and all that cannot end within their
   * time, before it begins them. `{}` takes the default times. Default false.
   */
  shedding?: SheddingOptions | false | undefined;
  /** How much the node remembers of calls with an `idempotencyKey`. */
  idempotency?: IdempotencyOptions | undefined;
  /** Longest routing key, in bytes of UTF-8. Default 1,024. */
  maxKeyBytes?: number | undefined;
  /** The same as the transport's, which stamps what arrives. */
  clock?: Clock | undefined;
  random?: Random | undefined;
  /** One or several. */
  metrics?: Metrics | readonly Metrics[] | undefined;
  /** Observes single messages, as spans. */
  tracing?: Tracing | undefined;
  logger?: Logger | undefined;
}

type NodeTable = Resolved<
  NodeOptions,
  'id' | 'shards' | 'membership' | 'maxRunning',
  {
    metrics: readonly Metrics[];
    idempotency: ResolvedIdempotencyOptions;
    shedding: Resolved<SheddingOptions> | false;
  }
>;

export interface ResolvedNodeOptions extends Omit<
  NodeTable,
  'id' | 'shards' | 'identity' | 'newBucket' | 'metrics'
> {
  readonly id: string;
  /** The shards in a static cluster; undefined with a membership. */
  readonly shards: ReadonlySet<number> | undefined;
  /** Whether no other process can run under the id. */
  readonly isExclusive: boolean;
  readonly trustsNewBucket: boolean;
  /** The identity with which clients compare their own. */
  readonly identity: ClusterIdentity;
  /** What the node publishes in a dynamic cluster. */
  readonly traits: MemberTraits;
  readonly metrics: SafeMetrics;
}

export const nodeSpec: Spec<NodeTable> = {
  id: optional(text(undefined, ADDRESS_TOKEN, 'of [A-Za-z0-9_-]{1,64}')),
  transport: methods(['openLink', 'serve', 'announce', 'onConnection']),
  numShards: integer(1, MAX_SHARDS, defaults.numShards),
  seed: text(defaults.seed),
  shards: optional(option(checkShards)),
  membership: optional(methods(['open'])),
  weight: weightOption,
  identity: oneOf(['checked', 'exclusive'], 'checked'),
  newBucket: oneOf(['trust', 'wait'], 'trust'),
  handler: callback(),
  nodeHandlers: nodeHandlersOption,
  interceptors: callbacks(),
  codec: codecOption,
  handlerTimeoutMs: milliseconds(1, defaults.handlerTimeoutMs),
  maxInFlight: integer(1, Number.MAX_SAFE_INTEGER, defaults.maxInFlight),
  maxInFlightBytes: integer(1, Number.MAX_SAFE_INTEGER, defaults.maxInFlightBytes),
  maxRunning: optional(integer(1, Number.MAX_SAFE_INTEGER)),
  shedding: sheddingOption,
  idempotency: idempotencyOption,
  maxKeyBytes: integer(1, envelopeLimits.maxKeyBytes, defaults.maxKeyBytes),
  clock: clockOption,
  random: randomOption,
  metrics: metricsOption,
  tracing: tracingOption,
  logger: loggerOption,
};

const OWNER = 'createNode';

/** @throws INVALID_OPTION, CLUSTER_CONFIG_MISMATCH */
export function resolveNodeOptions(given: NodeOptions): ResolvedNodeOptions {
  const options = resolve(OWNER, nodeSpec, given, checkOwnership);
  if (options.maxRunning !== undefined && options.handler.hasMailboxes === true) {
    throw invalidOption(
      OWNER,
      'maxRunning',
      options.maxRunning,
      'left out for actors: messages wait in mailboxes',
    );
  }
  const { handler, transport, membership, numShards, shards, codec } = options;
  for (const shard of shards ?? []) checkInteger(OWNER, 'shards', shard, 0, numShards - 1);
  checkLocation(transport, membership);
  return Object.freeze({
    ...options,
    id: options.id ?? `node-${randomId(options.random, 6)}`,
    shards: shards && new Set(shards),
    isExclusive: options.identity === 'exclusive',
    trustsNewBucket: options.newBucket === 'trust',
    identity: identityOf(options, membership?.cluster ?? transport.cluster),
    traits: traitsOf(handler, codec.name, transport.cluster?.prefix),
    metrics: safeMetrics(options.metrics, options.logger, options.clock),
  });
}

export interface DrainOptions {
  /** How long running handlers may still take, in milliseconds. Default 10,000. */
  graceMs?: number | undefined;
}

export const drainSpec: Spec<Resolved<DrainOptions>> = { graceMs: milliseconds(0, defaults.drainGraceMs) };

/** A node has a list of shards, or a membership that gives it some. */
function checkOwnership({ shards, membership, ...given }: NodeOptions): void {
  if (membership === undefined) {
    checkShards(OWNER, 'shards', shards);
    for (const name of ['weight', 'identity', 'newBucket'] as const) {
      if (given[name] !== undefined) {
        throw invalidOption(OWNER, name, given[name], 'left out without membership');
      }
    }
  } else if (shards !== undefined) {
    throw invalidOption(OWNER, 'shards', shards, 'left out with membership');
  }
}

function checkShards(owner: string, name: string, shards: unknown): readonly number[] {
  if (Array.isArray(shards)) return shards as number[];
  throw invalidOption(owner, name, shards, 'a list of shard numbers');
}

/** Two options name one cluster: if they differ, the records or the messages of two clusters would mix. */
function checkLocation({ cluster: bus }: Transport, membership: Membership | undefined): void {
  const bucket = membership?.cluster;
  if (bus === undefined || bucket === undefined) return;
  const isSameName = bus.name === undefined || bus.name === bucket.name;
  if (isSameName && bus.prefix === bucket.prefix) return;
  const text = ({ name, prefix }: ClusterLocation): string =>
    `${name === undefined ? '' : `cluster ${describe(name)}, `}subject prefix ${describe(prefix)}`;
  throw new ClstrError(
    'CLUSTER_CONFIG_MISMATCH',
    `createNode: the transport leads to another cluster (${text(bus)}) than the membership (${text(bucket)}): ` +
      'give both the same `cluster`, and both the same `subjectPrefix` if you set one',
    { details: { transport: { ...bus }, membership: { ...bucket } } },
  );
}
