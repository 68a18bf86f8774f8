/** One run of a node in its cluster: everything that begins when it joins and ends when it leaves or is fenced. */
import type { Clock } from '../base/clock.ts';
import { pause, turn, within } from '../base/clock.ts';
import { ClstrError } from '../base/errors.ts';
import { inBackground } from '../base/background.ts';
import type { Logger } from '../base/logger.ts';
import { createPlacement } from '../placement/placement.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import { Absences } from './absences.ts';
import { CONFIG_KEY } from './store.ts';
import type { ClusterStore, StoreEntry, StoreListener, Watch } from './store.ts';
import { Company } from './company.ts';
import { agreeOnConfig, claimNodeId, configOf } from './joining.ts';
import type { JoiningOptions } from './joining.ts';
import type { PlacementKind } from '../placement/kind.ts';
import { Monitor } from './monitor.ts';
import { Ownership } from './ownership.ts';
import type { OwnershipListener, ShardHost } from './ownership.ts';
import { Placing } from './placing.ts';
import { heartbeatKey, memberKey, readConfig } from './records.ts';
import type { MemberRecord, MemberState } from './records.ts';
import { refusalOf } from './refusal.ts';
import type { OnFailure, StartLimit } from './refusal.ts';
import { restoreEpochs } from './restoring.ts';
import { HeartbeatSession } from './heartbeat-session.ts';
import type { Timing } from './timing.ts';
import type { MemberTraits } from './traits.ts';
import { View } from './view.ts';
import { newestOf, writeUntilKnown } from './write.ts';

export interface IncarnationOptions {
  readonly nodeId: string;
  readonly inc: string;
  readonly numShards: number;
  readonly seed: string;
  readonly weight: number;
  readonly traits: MemberTraits;
  readonly store: ClusterStore;
  readonly timing: Timing;
  readonly placement: PlacementKind;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly host: ShardHost;
  readonly listener: IncarnationListener;
  /** Of each shard, over all runs of this process. */
  readonly highestEpochs: Map<number, number>;
  /** Whether messages reach this node. */
  readonly isReached: () => boolean;
  /** They may not reach it, or have not for a while. */
  readonly isInDoubt: () => boolean;
  /** Where the last run of this process that was a member was one; '' when none was. */
  readonly lastClusterId: string;
  /** How long joining may wait for the store; undefined: as long as the node runs. */
  readonly limit: StartLimit | undefined;
}

export interface IncarnationListener extends OwnershipListener {
  onLeaseExpired(): void;
  /** The lease holds, for the first time or again. */
  onValid(): void;
  onFenced(reason: string, hadJoined: boolean): void;
}

/** How long the marks of a node that has left stay, so that everybody has heard of it. */
const PURGE_AFTER_MS = 600_000;

export class Incarnation {
  readonly session: HeartbeatSession;
  readonly ownership: Ownership;
  readonly view: View;
  /** Known once it has joined. */
  clusterId = '';
  state: 'joining' | 'member' | 'fenced' = 'joining';
  readonly #options: IncarnationOptions;
  readonly #joining: JoiningOptions;
  readonly #monitor: Monitor;
  readonly #absences: Absences;
  readonly #placing: Placing;
  readonly #company: Company;
  /** This node has given its shards to others, until messages reach it again. */
  #isAway = false;
  #isLeaving = false;
  readonly #alive = new Set<string>();
  #declared = '';
  /** The name is this run's; before that, nothing may be said under it. */
  #hasClaimed = false;
  readonly #watches: Watch[] = [];
  readonly #overSinceMs = new Map<string, number>();
  #stopListening: (() => void) | undefined;
  #cancelTick: (() => void) | undefined;
  #cancelList: (() => void) | undefined;
  #isEnded = false;
  #ending: Promise<void> | undefined;

  constructor(options: IncarnationOptions) {
    const { nodeId, numShards, seed, store, timing, clock, placement, logger, limit, listener } = options;
    this.#options = options;
    this.#joining = { nodeId, store, timing, clock, logger, limit, isWanted: () => !this.#isEnded };
    this.session = new HeartbeatSession(options, {
      onLeaseExpired: () => {
        this.#monitor.suspend();
        listener.onLeaseExpired();
      },
      onValid: () => {
        this.ownership.reconcile();
        listener.onValid();
      },
      onFenced: (reason) => {
        const hadJoined = this.state === 'member';
        this.state = 'fenced';
        void this.end();
        listener.onFenced(reason, hadJoined);
      },
    });
    const { session } = this;
    const clusterId = (): string => this.clusterId;
    this.view = new View({
      numShards,
      highestEpochs: options.highestEpochs,
      clusterId,
      listener: {
        onMember: (id) => this.#onMember(id),
        onHeartbeat: (id) => this.#onMember(id),
        onShard: (shard) => this.ownership.onShard(shard),
      },
    });
    const { view } = this;
    this.#monitor = new Monitor({
      ...options,
      view,
      session,
      watch: (pattern) => store.watch(pattern, this.#storeListener),
    });
    this.#absences = new Absences({ ...options, view, session });
    this.#company = new Company({ ...options, ...this.#joining, view, list: () => this.#list() });
    const placed = createPlacement({ numShards, seed, kind: placement });
    this.#placing = new Placing({
      ...{ placement: placed, numShards, clock },
      onPlaced: () => this.ownership.onMembersChanged(),
    });
    this.ownership = new Ownership({
      ...options,
      view,
      session,
      clusterId,
      isPlaced: () => this.#placing.isDone,
      desiredOwner: (shard) => placed.ownerOf(shard),
    });
  }

  /**
   * Resolves when the node is a member; its shards come to it from then on. `beforeShards` runs before the others may
   * give it any.
   *
   * @throws CLUSTER_CONFIG_MISMATCH, NODE_ID_IN_USE, FENCED, TRANSPORT_CLOSED; TIMEOUT or a refusal of the store when the
   * limit is over
   */
  async join(beforeShards: () => Promise<void>): Promise<void> {
    const { store, clock } = this.#options;
    const { session } = this;
    await this.#agree();
    const { entry, from } = await claimNodeId(this.#joining, session.nextBeat(), () => session.now());
    this.#hasClaimed = true;
    // The name may be in a later bucket than the one that was agreed on: that one has not been seen for long.
    await this.#agree();
    this.#checkRunning();
    session.begin(entry.revision, from);
    await beforeShards();
    this.#checkRunning();
    this.#stopListening = store.onConnection(() => this.#monitor.suspend());
    this.#watches.push(store.watch('m.*', this.#storeListener), store.watch('s.*', this.#storeListener));
    await this.#firstList();
    await this.#fitIn();
    // The others are not to hand anything over to a node that does not know yet what is its own.
    while (!this.#placing.isDone) await turn(clock);
    this.#isAway = !this.#options.isReached() && !this.isAlone;
    const onFailure = this.#joining.limit?.begin(`write ${memberKey(this.#options.nodeId)}`);
    await this.#declare(this.#wanted, onFailure);
    this.#checkRunning();
    this.state = 'member';
    this.review();
    this.#monitor.assign();
    this.#tickAt(this.#options.clock.monoMs() + this.#options.timing.heartbeatMs);
    this.#listLater();
  }

  /** In which bucket this run is. What it waited for, or wrote, in an earlier one counts for nothing in this. */
  async #agree(): Promise<void> {
    const { store, timing, random, highestEpochs } = this.#options;
    // A new id each time: a bucket that is made anew must not pass for the one before.
    const { prefix, codec } = this.#options.traits;
    const own = configOf({ ...this.#options, prefix, codec }, randomId(random, 10));
    const { id } = await agreeOnConfig(this.#joining, own);
    if (id === this.clusterId) return;
    this.clusterId = id;
    this.ownership.onBucket();
    if (id !== this.#options.lastClusterId) {
      const { ackTimeoutMs } = timing;
      await restoreEpochs({ store, clusterId: id, ackTimeoutMs, random, highestEpochs });
    }
  }

  /** Who does not fit leaves its name to the next at once. @throws CLUSTER_CONFIG_MISMATCH */
  async #fitIn(): Promise<void> {
    try {
      await this.#company.check();
    } catch (error) {
      await this.#declare({ state: 'left' });
      throw error;
    }
  }

  /** Whether another member handles other message types than this node. */
  get isMixed(): boolean {
    return this.#company.isMixed;
  }

  /** Its shards are, or go, elsewhere, since messages do not reach this node. */
  get isAway(): boolean {
    return this.#isAway && !this.isAlone;
  }

  /** No other member could take shards. */
  get isAlone(): boolean {
    const { view } = this;
    for (const id of view.members.keys()) if (id !== this.#options.nodeId && view.isUp(id)) return false;
    return true;
  }

  /**
   * Called when messages stop reaching this node, or do again, and at each heartbeat. It gives its shards up only in favour
   * of a member that knows nothing against itself: when the bus fails for all, nothing moves.
   */
  review(): void {
    if (this.state !== 'member' || this.#isLeaving || this.#isEnded) return;
    const { isReached, logger, nodeId } = this.#options;
    if (isReached()) this.#isAway = false;
    else if (!this.#isAway && this.#hasFitPeer) {
      this.#isAway = true;
      const { held } = this.ownership;
      logger.warn(
        { nodeId, shards: held },
        `node ${nodeId} gives its ${held} shards to nodes that are reached`,
      );
    }
    if (this.#declared === keyOf(this.#wanted)) return;
    inBackground(this.#declare(this.#wanted), 'telling the cluster whether this node is reached', logger);
  }

  get #hasFitPeer(): boolean {
    const { view } = this;
    for (const id of view.members.keys()) if (id !== this.#options.nodeId && view.isFit(id)) return true;
    return false;
  }

  get #wanted(): Word {
    return { state: this.isAway ? 'draining' : 'up', isInDoubt: this.#options.isInDoubt() || undefined };
  }

  /** Hands over every shard, as long as `limitMs` allows, and tells the others that this run is over. */
  async leave(limitMs: number): Promise<void> {
    this.#isLeaving = true;
    const { clock, timing, logger, nodeId } = this.#options;
    // It has not taken its name yet: another run may hold it, and must not be told that it is over.
    if (!this.#hasClaimed) void this.end();
    if (!this.#isEnded) await within(clock, this.#declare({ state: 'draining' }), limitMs);
    if (!this.#isEnded) await within(clock, this.ownership.drain(), limitMs);
    const left = this.ownership.shards();
    if (left.length > 0) {
      logger.error(
        { nodeId, shards: left },
        `node ${nodeId} could not hand over ${left.length} shards within ${limitMs} ms; others take them`,
      );
    }
    if (!this.#isEnded) await within(clock, this.#declare({ state: 'left' }), 2 * timing.ackTimeoutMs);
    await this.end();
  }

  /** Ends it without a word to the others. Resolves when nothing is left of its shards. Idempotent. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#isEnded = true;
    this.#stopListening?.();
    this.#cancelTick?.();
    this.#cancelList?.();
    for (const watch of this.#watches) watch.close();
    this.#monitor.close();
    this.#placing.end();
    this.session.end();
    await this.ownership.end();
  }

  /** Whoever ended this run meanwhile has closed all that was open, and would not close what opens now. */
  #checkRunning(): void {
    if (!this.#isEnded) return;
    if (this.state === 'fenced')
      throw new ClstrError('FENCED', 'the node was fenced while it joined its cluster');
    throw new ClstrError('TRANSPORT_CLOSED', 'the node was closed while it joined its cluster');
  }

  readonly #storeListener: StoreListener = {
    onEntry: (entry) => {
      if (!this.#isEnded) this.view.apply(entry, this.#options.clock.monoMs());
    },
    onGap: () => {
      this.#monitor.suspend();
    },
  };

  #onMember(id: string): void {
    const misfit = this.#company.misfitWith(id);
    if (misfit !== undefined) {
      this.session.fence(misfit.message);
      return;
    }
    const weight = this.view.isUp(id) ? (this.view.members.get(id)?.record?.weight ?? 1) : undefined;
    this.#placing.set(id, weight);
    if (this.view.isAlive(id) === this.#alive.has(id)) return;
    if (!this.#alive.delete(id)) this.#alive.add(id);
    // A joining run learns of all members at once, and gets those that it watches once it is a member.
    if (this.state === 'member') this.#monitor.assign();
  }

  /** Every heartbeat: looks for the dead, and for shards whose time has come. */
  #tickAt(dueMs: number): void {
    const { clock, timing } = this.#options;
    this.#cancelTick = clock.timer(() => {
      // A loop that stood still has heard nothing meanwhile, whatever was sent.
      if (clock.monoMs() - dueMs > timing.heartbeatMs) this.#monitor.suspend();
      this.#monitor.check();
      this.#absences.check();
      if (this.#isEnded) return;
      this.review();
      this.ownership.reconcile();
      this.#tickAt(clock.monoMs() + timing.heartbeatMs);
    }, dueMs - clock.monoMs());
  }

  #listLater(): void {
    const { clock, timing, random, logger } = this.#options;
    const jitter = 0.75 + random.bytes(1)[0]! / 512;
    this.#cancelList = clock.timer(() => {
      inBackground(
        this.#list().then(() => {
          if (!this.#isEnded) this.#listLater();
        }),
        'listing the cluster',
        logger,
      );
    }, timing.listMs * jitter);
  }

  /** A node that is refused the list cannot see the others. Later lists make up for one that was only not answered. */
  async #firstList(): Promise<void> {
    const { clock, timing } = this.#options;
    const onFailure = this.#joining.limit?.begin('list all keys');
    for (;;) {
      const refusal = await this.#list();
      if (refusal === undefined || this.#isEnded) return;
      onFailure?.(refusal);
      await pause(clock, timing.heartbeatMs / 3);
    }
  }

  /** Watches may rot without a word: from time to time everything is read, and compared. Returns a refusal. */
  async #list(): Promise<ClstrError | undefined> {
    const { store, clock, timing } = this.#options;
    let entries: readonly StoreEntry[];
    try {
      entries = await store.list(timing.ackTimeoutMs);
    } catch (error) {
      return refusalOf(error);
    }
    if (this.#isEnded || entries.length === 0) return undefined;
    const config = readConfig(entries.find(({ key }) => key === CONFIG_KEY)?.value);
    if (config !== undefined && config.id !== this.clusterId) {
      this.session.fence('its cluster was made anew');
      return undefined;
    }
    for (const entry of entries) this.view.apply(entry, clock.monoMs());
    const keys = new Set(entries.map(({ key }) => key));
    const newest = Math.max(...entries.map(({ revision }) => revision));
    for (const [id, { revision }] of this.view.members) {
      if (!keys.has(memberKey(id)) && revision < newest) this.view.forget(id);
    }
    this.#absences.onList((id) => keys.has(heartbeatKey(id)));
    this.#purge();
    const { nodeId, inc, logger } = this.#options;
    const mine = this.view.members.get(nodeId)?.record;
    if (mine?.inc !== inc && !this.#isLeaving && this.#declared !== '' && this.session.isValid()) {
      inBackground(this.#declare(this.#wanted), 'declaring this node up', logger);
    }
    return undefined;
  }

  /** Forgets nodes that are long gone, once no shard remembers them. */
  #purge(): void {
    const { store, clock, timing, logger } = this.#options;
    const nowMs = clock.monoMs();
    const owners = new Set([...this.view.shards.values()].map(({ record }) => record?.owner));
    for (const [id, { revision, record }] of this.view.members) {
      if (record === undefined || this.view.isAlive(id) || owners.has(id)) {
        this.#overSinceMs.delete(id);
        continue;
      }
      const sinceMs = this.#overSinceMs.get(id);
      if (sinceMs === undefined) this.#overSinceMs.set(id, nowMs);
      else if (nowMs - sinceMs >= PURGE_AFTER_MS) {
        this.#overSinceMs.delete(id);
        const beat = this.view.heartbeats.get(id);
        const purge = async (): Promise<void> => {
          const outcome = await store.cas(memberKey(id), revision, undefined, timing.ackTimeoutMs);
          if (outcome.kind !== 'acked' || beat?.record?.inc !== record.inc) return;
          await store.cas(heartbeatKey(id), beat.revision, undefined, timing.ackTimeoutMs);
        };
        inBackground(purge(), 'forgetting a node', logger);
      }
    }
  }

  /** Tells all what this node wants. */
  async #declare(word: Word, onFailure?: OnFailure): Promise<void> {
    const { nodeId, inc, store, clock, timing, random, traits } = this.#options;
    const weight = this.#options.weight === 1 ? undefined : this.#options.weight;
    const key = memberKey(nodeId);
    const declared = keyOf(word);
    this.#declared = declared;
    while (!this.#isEnded) {
      const known = this.view.members.get(nodeId);
      // Declared dead: its next heartbeat will find out.
      if (known?.record?.inc === inc && known.record.state === 'dead') return;
      // The word of a run before this one may be replaced, that of one after it must not: only while the name is this
      // run's for certain.
      const isForeign = known?.record !== undefined && known.record.inc !== inc;
      if (isForeign && !(await this.session.confirm())) return;
      const revision = known?.revision ?? 0;
      const record: MemberRecord = { inc, ...word, weight, traits, nonce: randomId(random, 10) };
      const result = await writeUntilKnown(
        { store, clock, ackTimeoutMs: timing.ackTimeoutMs },
        {
          key,
          revision,
          value: JSON.stringify(record),
          isWanted: () => !this.#isEnded && this.#declared === declared,
          onFailure,
        },
      );
      const entry = newestOf(result);
      if (entry !== undefined) this.view.apply(entry, clock.monoMs());
      if (result.kind !== 'lost') return;
      if (entry !== undefined) continue;
      // The record is gone, and with it perhaps the bucket.
      if (!(await this.session.confirm())) return;
      this.view.forget(nodeId);
    }
  }
}

/** What a node says of itself to all members. */
interface Word {
  readonly state: MemberState;
  readonly isInDoubt?: boolean | undefined;
}

function keyOf({ state, isInDoubt }: Word): string {
  return `${state} ${isInDoubt === true}`;
}
