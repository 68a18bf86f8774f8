/** A bucket in memory that many members share: a cluster's store within one process. */
import type { Clock, PlacementKind } from '@clstr/core';
import type { ClusterShape, ClusterStore, StoreEntry } from '@clstr/core/store';
import { ClstrError, defaults } from '@clstr/core';
import { provisionedRecords } from '@clstr/core/store';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  checkString,
  clockOption,
  integer,
  option,
  optional,
  placementOption,
  resolve,
  text,
} from '@clstr/core/internal';
import { MemoryBucket } from './memory-bucket.ts';
import { MemoryStoreConnection } from './memory-store-connection.ts';
import type { StoreCore } from './memory-store-connection.ts';
import { StoreHistory } from './store-history.ts';
import type { StoreWrite } from './store-history.ts';
import { checkPolicy, resolvePolicy } from './store-policy.ts';
import type { StorePolicy } from './store-policy.ts';

export interface MemoryStoreOptions {
  /** Default: every request and delivery arrives, in the next turn. */
  policy?: StorePolicy | undefined;
  /** How many writes to remember, for {@link MemoryStore.history} and for stale reads. Default 0. */
  maxHistory?: number | undefined;
  /**
   * Begins with the bucket of a cluster whose shards no node holds, so that its first nodes serve without waiting for an
   * expiry. Default: there is no bucket; the first node creates one. A bucket created after `deleteBucket` begins empty.
   */
  provision?: ProvisionedCluster | undefined;
  clock?: Clock | undefined;
}

/** The settings of a cluster, which its nodes must share. */
export interface ProvisionedCluster {
  /** Shards of the cluster. Default 1,024. */
  numShards?: number | undefined;
  /** Mixed into every hash. Default ''. */
  seed?: string | undefined;
  /** How shards are given to nodes. Default `rendezvous`. */
  placement?: PlacementKind | undefined;
}

export interface StoreConnectOptions {
  /** The name that the policy, `cut` and `restore` use; several connections may share it. Default: a new name. */
  member?: string | undefined;
  /** The member's clock, for its time-outs and its deliveries. Default: the store's. */
  clock?: Clock | undefined;
}

export interface MemoryStore {
  readonly clock: Clock;
  /** The last `maxHistory` writes, oldest first, of this bucket and of those deleted before. */
  readonly history: readonly StoreWrite[];
  /** Opens a member's own connection to the bucket. @throws CONNECT_FAILED while the member is cut off */
  connect(options?: StoreConnectOptions): ClusterStore;
  /** Cuts the member off: its calls fail, its watches fall silent, and it notices the disconnection. */
  cut(member: string): void;
  restore(member: string): void;
  /** Deletes the bucket; as over NATS, no watch reports it. The next one's revisions start at 1 again. */
  deleteBucket(): void;
}

/** The most records that `createMemoryStore` provisions. */
const MAX_PROVISIONED = 2 ** 20;

export const provisionedSpec: Spec<Resolved<ProvisionedCluster>> = {
  numShards: integer(1, MAX_PROVISIONED, defaults.numShards),
  seed: text(defaults.seed),
  placement: placementOption,
};

export const memoryStoreSpec: Spec<Resolved<MemoryStoreOptions, 'provision'>> = {
  policy: option(checkPolicy, {}),
  maxHistory: integer(0, 0x7fff_ffff, 0),
  provision: optional(
    option((owner, name, value) =>
      resolve(`${owner}: ${name}`, provisionedSpec, value as ProvisionedCluster),
    ),
  ),
  clock: clockOption,
};

/** @throws INVALID_OPTION */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { policy, maxHistory, clock, provision } = resolve('createMemoryStore', memoryStoreSpec, options);
  const store = new SharedStore(clock, policy, maxHistory);
  if (provision !== undefined) store.provision(provision as ClusterShape);
  return store;
}

class SharedStore implements MemoryStore {
  readonly clock: Clock;
  readonly #history: StoreHistory;
  readonly #core: StoreCore;
  readonly #connections = new Set<MemoryStoreConnection>();
  readonly #cut = new Set<string>();
  #bucket: MemoryBucket | undefined;
  #buckets = 0;
  #members = 0;

  constructor(clock: Clock, policy: StorePolicy, maxHistory: number) {
    this.clock = clock;
    this.#history = new StoreHistory(maxHistory);
    this.#core = {
      clock,
      policy: resolvePolicy(policy, clock),
      bucket: () => this.#bucket,
      create: () => this.#create(),
      asOf: (entry, staleBy) => this.#asOf(entry, staleBy),
      onClose: (connection) => this.#connections.delete(connection),
    };
  }

  get history(): readonly StoreWrite[] {
    return this.#history.writes;
  }

  connect(options: StoreConnectOptions = {}): ClusterStore {
    const { member = `member-${++this.#members}`, clock = this.clock } = options;
    checkString('connect', 'member', member, /./, 'a name');
    if (this.#cut.has(member)) {
      throw new ClstrError('CONNECT_FAILED', `${member} is cut off from the memory store`);
    }
    const connection = new MemoryStoreConnection(this.#core, member, clock);
    this.#connections.add(connection);
    return connection;
  }

  cut(member: string): void {
    this.#cut.add(member);
    for (const connection of this.#of(member)) connection.cut();
  }

  restore(member: string): void {
    this.#cut.delete(member);
    for (const connection of this.#of(member)) connection.restore();
  }

  deleteBucket(): void {
    this.#bucket = undefined;
  }

  provision(shape: ClusterShape): void {
    const bucket = this.#create();
    for (const { key, value } of provisionedRecords(shape, 'provisioned')) bucket.cas(key, 0, value);
  }

  #of(member: string): MemoryStoreConnection[] {
    return [...this.#connections].filter((connection) => connection.member === member);
  }

  #create(): MemoryBucket {
    const bucket = new MemoryBucket();
    const number = ++this.#buckets;
    bucket.onWrite(({ key, revision, value }) => {
      this.#history.add({ bucket: number, revision, key, value });
    });
    this.#bucket = bucket;
    for (const connection of this.#connections) connection.onBucket();
    return bucket;
  }

  #asOf(entry: StoreEntry | undefined, staleBy: number): StoreEntry | undefined {
    if (entry === undefined || staleBy <= 0 || this.#bucket === undefined) return entry;
    return this.#history.asOf(entry, this.#buckets, this.#bucket.revision - staleBy);
  }
}
