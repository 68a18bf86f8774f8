/** What a node is given, checked once. */
import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import { identityOf } from '../wire/cluster-identity.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import type { Codec } from '../wire/codec.ts';
import { jsonCodec } from '../wire/codec.ts';
import { describe } from '../base/describe.ts';
import { envelopeLimits } from '../wire/envelope.ts';
import { ClstrError } from '../base/errors.ts';
import type { Handler, NodeInterceptor } from './handler.ts';
import type { Logger } from '../base/logger.ts';
import type { Membership } from '../cluster/membership.ts';
import { traitsOf } from '../cluster/traits.ts';
import type { MemberTraits } from '../cluster/traits.ts';
import type { Metrics } from '../base/metrics.ts';
import { ADDRESS_TOKEN } from '../wire/address.ts';
import { checkObservers } from '../base/observers.ts';
import {
  MAX_DELAY_MS,
  MAX_SHARDS,
  checkFunctions,
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkString,
  defaults,
  invalidOption,
} from '../base/options.ts';
import { checkWeight } from '../placement/placement.ts';
import type { Random } from '../base/random.ts';
import { randomId, systemRandom } from '../base/random.ts';
import type { ClusterLocation, Transport } from '../wire/transport.ts';

export interface NodeOptions {
  /** Unique in the cluster, of `[A-Za-z0-9_-]{1,64}`. Default `node-<6 random characters>`. */
  id?: string | undefined;
  /** Borrowed: closing the node leaves it open. */
  transport: Transport;
  /** Shards of the cluster; the same at every node and client, for ever. Default 1024. */
  numShards?: number | undefined;
  /** Mixed into every hash; the same at every node and client, for ever. Default ''. */
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
   * may be another one after a restart. Default 1.
   */
  weight?: number | undefined;
  handler: Handler;
  /** HandlerCall around every handler call; the first is outermost. */
  interceptors?: readonly NodeInterceptor[] | undefined;
  /** Default JSON; the same at every node and client. */
  codec?: Codec | undefined;
  /** Longest time a handler may run, in milliseconds. Default 30,000. */
  handlerTimeoutMs?: number | undefined;
  /** Messages accepted and not yet answered; more are `OVERLOADED`. Default 16,384. */
  maxInFlight?: number | undefined;
  /** Their payloads, keys and headers together, in bytes; more is `OVERLOADED`. Default 64 MiB. */
  maxInFlightBytes?: number | undefined;
  /** Longest routing key, in bytes of UTF-8. Default 1024. */
  maxKeyBytes?: number | undefined;
  /** The same as the transport's, which stamps what arrives. */
  clock?: Clock | undefined;
  random?: Random | undefined;
  metrics?: Metrics | undefined;
  logger?: Logger | undefined;
}

export interface ResolvedNodeOptions {
  readonly id: string;
  readonly transport: Transport;
  readonly numShards: number;
  readonly seed: string;
  /** Of a static cluster; undefined with a membership. */
  readonly shards: ReadonlySet<number> | undefined;
  readonly membership: Membership | undefined;
  readonly weight: number;
  readonly handler: Handler;
  /** What clients compare themselves with. */
  readonly identity: ClusterIdentity;
  /** What it publishes in a dynamic cluster. */
  readonly traits: MemberTraits;
  readonly interceptors: readonly NodeInterceptor[];
  readonly codec: Codec;
  readonly handlerTimeoutMs: number;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly maxKeyBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

const KNOWN_OPTIONS = [
  'id',
  'transport',
  'numShards',
  'seed',
  'shards',
  'membership',
  'weight',
  'handler',
  'interceptors',
  'codec',
  'handlerTimeoutMs',
  'maxInFlight',
  'maxInFlightBytes',
  'maxKeyBytes',
  'clock',
  'random',
  'metrics',
  'logger',
] as const satisfies readonly (keyof NodeOptions)[];

/** @throws INVALID_OPTION */
export function resolveNodeOptions(given: NodeOptions): ResolvedNodeOptions {
  const owner = 'createNode';
  checkKnownOptions(owner, given, KNOWN_OPTIONS);
  const integer = (name: keyof NodeOptions, fallback: number, min: number, max: number): number =>
    checkInteger(owner, name, given[name] ?? fallback, min, max);
  if (typeof given.handler !== 'function') throw invalidOption(owner, 'handler', given.handler, 'a function');
  const random = checkMethods(owner, 'random', given.random ?? systemRandom, ['bytes']);
  const numShards = integer('numShards', defaults.numShards, 1, MAX_SHARDS);
  const transport = checkMethods(owner, 'transport', given.transport, [
    ...(['openLink', 'serve', 'announce', 'onConnection'] as const),
  ]);
  const seed = checkString(owner, 'seed', given.seed ?? defaults.seed);
  const codec = checkMethods(owner, 'codec', given.codec ?? jsonCodec, ['encode', 'decode']);
  const ownership = checkOwnership(given, numShards);
  checkLocation(transport, ownership.membership);
  return Object.freeze({
    id: checkString(
      owner,
      'id',
      given.id ?? `node-${randomId(random, 6)}`,
      ADDRESS_TOKEN,
      'of [A-Za-z0-9_-]{1,64}',
    ),
    transport,
    numShards,
    seed,
    ...ownership,
    handler: given.handler,
    identity: identityOf({ numShards, seed, codec }, ownership.membership?.cluster ?? transport.cluster),
    traits: traitsOf(given.handler, codec.name, transport.cluster?.prefix),
    interceptors: [...checkFunctions(owner, 'interceptors', given.interceptors ?? [])],
    codec,
    handlerTimeoutMs: integer('handlerTimeoutMs', defaults.handlerTimeoutMs, 1, MAX_DELAY_MS),
    maxInFlight: integer('maxInFlight', defaults.maxInFlight, 1, Number.MAX_SAFE_INTEGER),
    maxInFlightBytes: integer('maxInFlightBytes', defaults.maxInFlightBytes, 1, Number.MAX_SAFE_INTEGER),
    maxKeyBytes: integer('maxKeyBytes', defaults.maxKeyBytes, 1, envelopeLimits.maxKeyBytes),
    clock: checkMethods(owner, 'clock', given.clock ?? systemClock, [
      'monoMs',
      'wallMs',
      'timer',
      'macrotask',
    ]),
    random,
    ...checkObservers(owner, given),
  });
}

function checkOwnership(
  { shards, membership, weight }: NodeOptions,
  numShards: number,
): Pick<ResolvedNodeOptions, 'shards' | 'membership' | 'weight'> {
  const owner = 'createNode';
  if (membership === undefined) {
    if (weight !== undefined) throw invalidOption(owner, 'weight', weight, 'left out without membership');
    return { shards: checkShards(shards, numShards), membership, weight: 1 };
  }
  if (shards !== undefined) throw invalidOption(owner, 'shards', shards, 'left out with membership');
  return {
    shards,
    membership: checkMethods(owner, 'membership', membership, ['open']),
    weight: checkWeight(owner, weight ?? 1),
  };
}

/** Two options name one cluster: half a name would put the records of two clusters, or their messages, together. */
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

function checkShards(shards: unknown, numShards: number): ReadonlySet<number> {
  if (!Array.isArray(shards)) throw invalidOption('createNode', 'shards', shards, 'a list of shard numbers');
  for (const shard of shards) checkInteger('createNode', 'shards', shard, 0, numShards - 1);
  return new Set(shards as number[]);
}
