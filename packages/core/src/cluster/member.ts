/** A node as a member of its cluster, over all its incarnations: a new one follows each that is fenced. */
import { pause } from '../base/clock.ts';
import { Refusal, isClstrError } from '../base/errors.ts';
import { inBackground } from '../base/background.ts';
import { randomId } from '../base/random.ts';
import { nodeAddress } from '../wire/address.ts';
import { Incarnation } from './incarnation.ts';
import type { MemberSettings } from './incarnation.ts';
import { closedWhileJoining } from './joining.ts';
import type { Membership } from './membership.ts';
import { createStartLimit } from './refusal.ts';
import { ReportedStore } from './reported-store.ts';
import { movedText } from './shards.ts';
import type { NodeHost, Shards, Topology } from './shards.ts';

export interface MemberOptions extends MemberSettings {
  readonly membership: Membership;
}

/** The pause between two attempts to join again. */
const REJOIN_PAUSE_MS = 250;

const NO_SHARDS: readonly number[] = [];
const NO_OWNERS: Topology = { clusterId: '', owners: [] };

export class Member implements Shards {
  readonly #options: MemberOptions;
  #host!: NodeHost;
  readonly #highestEpochs = new Map<number, number>();
  #lastClusterId = '';
  #store: ReportedStore | undefined;
  #current: Incarnation | undefined;
  /** When the lease expired; undefined once it is renewed. */
  #expiredAtMs: number | undefined;
  #hasJoined = false;
  /** Only the first run of a process may replace another: two that both did would fence each other again and again. */
  #hasEntered = false;
  #isEnded = false;

  constructor(options: MemberOptions) {
    this.#options = options;
  }

  /**
   * @throws CLUSTER_CONFIG_MISMATCH, NODE_ID_IN_USE, TRANSPORT_CLOSED, and what the membership's `open` throws; TIMEOUT or
   * a refusal of the store that lasts
   */
  async start(host: NodeHost): Promise<void> {
    this.#host = host;
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

  admits(shard: number, nowMs?: number): boolean {
    return this.#current?.ownership.admits(shard, nowMs) ?? false;
  }

  holds(shard: number, epoch: number | undefined): boolean {
    return this.#current?.ownership.holds(shard, epoch) ?? false;
  }

  epochOf(shard: number): number | undefined {
    return this.#current?.ownership.epochOf(shard);
  }

  refusal(shard: number): Refusal {
    const { nodeId } = this.#options;
    if (this.holds(shard, undefined)) return new Refusal('MOVED', movedText(nodeId));
    const owner = this.#current?.ledger.ownerOf(shard);
    const details = owner && { epoch: owner.epoch, ...owner.address };
    return new Refusal('NOT_OWNER', `node ${nodeId} does not own the shard of this message`, details);
  }

  list(): readonly number[] {
    return this.#current?.ownership.shards() ?? NO_SHARDS;
  }

  get count(): number {
    return this.#current?.ownership.held ?? 0;
  }

  get isValid(): boolean {
    return this.#current?.session.isValid() ?? false;
  }

  get isFresh(): boolean {
    return this.#current?.session.isFresh ?? false;
  }

  get leaseMarginMs(): number {
    return this.#current?.session.marginMs ?? 0;
  }

  get storeTrouble(): string | undefined {
    return this.#store?.trouble;
  }

  get isAway(): boolean {
    return this.#current?.declaration.isAway ?? false;
  }

  onReach(): void {
    this.#current?.declaration.review();
  }

  topology(): Topology {
    return this.#current?.ledger.topology() ?? NO_OWNERS;
  }

  get unowned(): number {
    const { nodeId, numShards } = this.#options;
    let unowned = 0;
    for (let shard = 0; shard < numShards; shard++) {
      const ledger = this.#current?.ledger;
      const isOwn = ledger?.shards.get(shard)?.record?.owner === nodeId;
      if (ledger?.isOwned(shard) !== true || (isOwn && !this.admits(shard))) unowned++;
    }
    return unowned;
  }

  get wanted(): number {
    return this.#current?.wanted ?? 0;
  }

  get isMixed(): boolean {
    return this.#current?.isMixed ?? false;
  }

  async leave(limitMs: number): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    await this.#current?.leave(limitMs);
    await this.#close();
  }

  /** Starts another run after each that is fenced before it has joined. */
  async #enterUntilJoined(store: ReportedStore): Promise<void> {
    for (;;) {
      if (this.#isEnded) throw closedWhileJoining();
      try {
        await this.#enter(store);
        return;
      } catch (error) {
        if (this.#current?.isFenced !== true) throw error;
      }
    }
  }

  async #enter(store: ReportedStore): Promise<void> {
    const { nodeId, membership, clock, random, logger } = this.#options;
    const host = this.#host;
    const { timing, placement } = membership;
    const inc = randomId(random, 10);
    store.isAwaited = true;
    this.#expiredAtMs = undefined;
    const isFirst = !this.#hasJoined;
    const startLimit = createStartLimit(clock, timing, `node ${nodeId} could not join its cluster`);
    const incarnation = new Incarnation({
      ...this.#options,
      host,
      inc,
      store,
      timing,
      placement,
      isExclusive: this.#options.isExclusive && !this.#hasEntered,
      limit: isFirst ? startLimit : undefined,
      highestEpochs: this.#highestEpochs,
      lastClusterId: this.#lastClusterId,
      listener: {
        onLeaseExpired: () => {
          this.#logExpiry(inc);
          host.onEvent({ type: 'lapsed' });
        },
        onValid: () => this.#logRenewal(inc),
        onFenced: (reason) => {
          logger.warn({ event: 'node.fenced', nodeId, inc, reason }, `node ${nodeId} was fenced: ${reason}`);
          host.onEvent({ type: 'fenced', inc, reason });
          if (incarnation.hasJoined)
            inBackground(this.#rejoin(store, incarnation), 'joining the cluster again', logger);
        },
      },
    });
    this.#current = incarnation;
    this.#hasEntered = true;
    try {
      await incarnation.join(() => host.enter(nodeAddress(nodeId, inc)!, []));
    } catch (error) {
      // The records it has written would make its next start wait for an expiry.
      if (!this.#isEnded) await incarnation.leave(0);
      await incarnation.end();
      throw error;
    }
    this.#lastClusterId = incarnation.ledger.clusterId;
    this.#hasJoined = true;
    store.isAwaited = false;
    logger.info(
      { event: 'node.joined', nodeId, inc },
      `node ${nodeId} joined its cluster${isFirst ? '' : ' again, as a new run'}`,
    );
    host.onEvent({ type: 'joined', inc });
  }

  #logExpiry(inc: string): void {
    const { nodeId, clock, logger } = this.#options;
    this.#expiredAtMs = clock.monoMs();
    const reason = this.#store?.trouble ?? 'no heartbeat was acknowledged in time';
    logger.warn(
      { event: 'node.lapsed', nodeId, inc, reason },
      `node ${nodeId} lapsed and admits nothing until a heartbeat is acknowledged: ${reason}`,
    );
  }

  #logRenewal(inc: string): void {
    if (this.#expiredAtMs === undefined) return;
    const { nodeId, clock, logger } = this.#options;
    const withoutLeaseMs = Math.round(clock.monoMs() - this.#expiredAtMs);
    this.#expiredAtMs = undefined;
    logger.info(
      { event: 'node.lease_renewed', nodeId, inc, withoutLeaseMs },
      `node ${nodeId} has a lease again after ${withoutLeaseMs} ms`,
    );
  }

  /** Starts a new run in the same process: it uses no knowledge of the old one, and waits until its shards are gone. */
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
        logger.error(
          { event: 'node.rejoin_failed', err, nodeId, code },
          `node ${nodeId} could not join its cluster again`,
        );
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
