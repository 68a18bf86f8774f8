/** A node as a member of its cluster, over all its runs: a run that was fenced is followed by a new one. */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import { inBackground } from '../base/background.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import type { Topology } from './shard-gate.ts';
import { nodeAddress } from '../wire/address.ts';
import type { NodeAddress } from '../wire/address.ts';
import { Incarnation } from './incarnation.ts';
import type { Membership } from './membership.ts';
import { ownerIn } from './records.ts';
import type { OwnershipListener, ShardHost } from './ownership.ts';
import { createStartLimit } from './refusal.ts';
import { ReportedStore } from './reported-store.ts';
import type { MemberTraits } from './traits.ts';

/** What a node does for its membership. Nothing else of it rejects. */
export interface MemberHost extends ShardHost, OwnershipListener {
  /** A new run: serve its direct address. Resolves when messages reach it; may reject before the first run has joined. */
  enter(self: NodeAddress): Promise<void>;
  /** The lease is over: what runs has to stop, though its shards may come back. */
  onLeaseExpired(): void;
  onJoined(inc: string): void;
  /** This run is over for good; all its shards are dropped. */
  onFenced(inc: string, reason: string): void;
}

export interface MemberOptions {
  readonly nodeId: string;
  readonly numShards: number;
  readonly seed: string;
  readonly weight: number;
  readonly traits: MemberTraits;
  readonly membership: Membership;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly host: MemberHost;
  /** Whether messages reach this node, as it finds out by itself. */
  readonly reach: () => 'reached' | 'doubted' | 'lost';
}

/** Between two tries to join again. */
const REJOIN_PAUSE_MS = 250;

const NO_SHARDS: readonly number[] = [];
const NO_OWNERS: Topology['owners'] = [];

export class Member {
  readonly #options: MemberOptions;
  readonly #highestEpochs = new Map<number, number>();
  #lastClusterId = '';
  #topology: Topology = { clusterId: '', owners: NO_OWNERS };
  #store: ReportedStore | undefined;
  #current: Incarnation | undefined;
  /** When the lease ended that has not been renewed. */
  #expiredAtMs: number | undefined;
  #hasJoined = false;
  #isEnded = false;

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  /**
   * @throws CLUSTER_CONFIG_MISMATCH, NODE_ID_IN_USE, TRANSPORT_CLOSED, and what the membership's `open` throws; TIMEOUT or
   * a refusal of the store that lasts
   */
  async join(): Promise<void> {
    const { membership, nodeId, clock, logger } = this.#options;
    try {
      const opened = await membership.open({ logger });
      const store = new ReportedStore(opened, { who: `node ${nodeId}`, fields: { nodeId }, clock, logger });
      this.#store = store;
      await this.#enterUntilJoined(store);
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  /** Hot path. */
  admits(shard: number, nowMs?: number): boolean {
    return this.#current?.ownership.admits(shard, nowMs) ?? false;
  }

  /** This node holds the shard and may say so. */
  holds(shard: number, epoch: number | undefined): boolean {
    return this.#current?.ownership.holds(shard, epoch) ?? false;
  }

  epochOf(shard: number): number | undefined {
    return this.#current?.ownership.epochOf(shard);
  }

  shards(): readonly number[] {
    return this.#current?.ownership.shards() ?? NO_SHARDS;
  }

  get held(): number {
    return this.#current?.ownership.held ?? 0;
  }

  /** This run has a lease. */
  get isValid(): boolean {
    return this.#current?.session.isValid() ?? false;
  }

  /** It has a lease, and the store answers now. */
  get isFresh(): boolean {
    return this.#current?.session.isFresh ?? false;
  }

  /** This node has given its shards to others, which are there to keep them. */
  get isAway(): boolean {
    return this.#current?.isAway ?? false;
  }

  /** The node's reach has changed. */
  onReach(): void {
    this.#current?.review();
  }

  /** The owner of a shard, as far as this node has heard. */
  ownerOf(shard: number): { epoch: number; address: NodeAddress } | undefined {
    const record = this.#current?.view.shards.get(shard)?.record;
    const address = record?.state === 'owned' ? ownerIn(record) : undefined;
    return address && { epoch: record!.epoch, address };
  }

  /** The same object until it changes. */
  topology(): Topology {
    const clusterId = this.#current?.clusterId ?? '';
    const owners = this.#current?.view.owners() ?? NO_OWNERS;
    if (owners !== this.#topology.owners || clusterId !== this.#topology.clusterId) {
      this.#topology = { clusterId, owners };
    }
    return this.#topology;
  }

  /** Shards that no live run owns and serves, as far as this node has heard. */
  get unowned(): number {
    const view = this.#current?.view;
    const { nodeId, numShards } = this.#options;
    let unowned = 0;
    for (let shard = 0; shard < numShards; shard++) {
      const known = view?.shards.get(shard);
      const record = known?.record;
      const isOwned = record?.state === 'owned' && !view!.isGone(record.owner, record.inc, known!.revision);
      if (!isOwned || (record.owner === nodeId && !this.admits(shard))) unowned++;
    }
    return unowned;
  }

  /** Whether another member handles other message types: the cluster is being changed from one version to the next. */
  get isMixed(): boolean {
    return this.#current?.isMixed ?? false;
  }

  /** Hands over all shards, as long as `limitMs` allows, and leaves the cluster. Idempotent. */
  async leave(limitMs: number): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#current?.leave(limitMs);
    await this.#close();
  }

  /** A run that is fenced before it has joined is followed by the next. */
  async #enterUntilJoined(store: ReportedStore): Promise<void> {
    for (;;) {
      if (this.#isEnded) throw closed();
      try {
        await this.#enter(store);
        return;
      } catch (error) {
        if (this.#current?.state !== 'fenced') throw error;
      }
    }
  }

  async #enter(store: ReportedStore): Promise<void> {
    const { nodeId, membership, clock, random, host, logger, reach } = this.#options;
    const { timing, placement } = membership;
    const inc = randomId(random, 10);
    store.isAwaited = true;
    this.#expiredAtMs = undefined;
    const isFirst = !this.#hasJoined;
    const incarnation = new Incarnation({
      ...this.#options,
      ...{ inc, store, timing, placement },
      limit: isFirst
        ? createStartLimit(clock, timing, `node ${nodeId} could not join its cluster`)
        : undefined,
      ...{ highestEpochs: this.#highestEpochs, lastClusterId: this.#lastClusterId },
      isReached: () => reach() !== 'lost',
      isInDoubt: () => reach() !== 'reached',
      listener: {
        onAcquired: (shard, epoch) => host.onAcquired(shard, epoch),
        onReleased: (shard) => host.onReleased(shard),
        onLost: (shard) => host.onLost(shard),
        onLeaseExpired: () => {
          this.#logExpiry(inc);
          host.onLeaseExpired();
        },
        onValid: () => this.#logRenewal(inc),
        onFenced: (reason, hadJoined) => {
          logger.warn({ nodeId, inc, reason }, `node ${nodeId} was fenced: ${reason}`);
          host.onFenced(inc, reason);
          if (hadJoined) inBackground(this.#rejoin(store, incarnation), 'joining the cluster again', logger);
        },
      },
    });
    this.#current = incarnation;
    try {
      await incarnation.join(() => host.enter(nodeAddress(nodeId, inc)!));
    } catch (error) {
      // What it has written already would make its next start wait for an expiry.
      if (!this.#isEnded) await incarnation.leave(0);
      await incarnation.end();
      throw error;
    }
    this.#lastClusterId = incarnation.clusterId;
    this.#hasJoined = true;
    store.isAwaited = false;
    logger.info({ nodeId, inc }, `node ${nodeId} joined its cluster${isFirst ? '' : ' again, as a new run'}`);
    host.onJoined(inc);
  }

  #logExpiry(inc: string): void {
    const { nodeId, clock, logger } = this.#options;
    this.#expiredAtMs = clock.monoMs();
    const reason = this.#store?.trouble ?? 'no heartbeat was acknowledged in time';
    logger.warn(
      { nodeId, inc, reason },
      `node ${nodeId} lapsed and admits nothing until a heartbeat is acknowledged: ${reason}`,
    );
  }

  #logRenewal(inc: string): void {
    if (this.#expiredAtMs === undefined) return;
    const { nodeId, clock, logger } = this.#options;
    const withoutLeaseMs = Math.round(clock.monoMs() - this.#expiredAtMs);
    this.#expiredAtMs = undefined;
    logger.info(
      { nodeId, inc, withoutLeaseMs },
      `node ${nodeId} has a lease again after ${withoutLeaseMs} ms`,
    );
  }

  /** A new run in the same process: what the old one knew is of no use any more, and what it held is gone first. */
  async #rejoin(store: ReportedStore, former: Incarnation): Promise<void> {
    const { nodeId, clock, logger } = this.#options;
    await former.end();
    for (;;) {
      try {
        await this.#enterUntilJoined(store);
        return;
      } catch (err) {
        if (this.#hasEnded()) return;
        const code = isClstrError(err) ? err.code : undefined;
        logger.error({ err, nodeId, code }, `node ${nodeId} could not join its cluster again`);
        await pause(clock, REJOIN_PAUSE_MS);
      }
    }
  }

  #hasEnded(): boolean {
    return this.#isEnded;
  }

  async #close(): Promise<void> {
    this.#isEnded = true;
    await this.#current?.end();
    await this.#store?.close();
  }
}

function closed(): ClstrError {
  return new ClstrError('TRANSPORT_CLOSED', 'the node was closed while it joined its cluster');
}
