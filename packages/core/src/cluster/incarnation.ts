/** One incarnation of a node in its cluster: everything that begins when it joins and ends when it leaves or is fenced. */
import { counted } from '../base/count-text.ts';
import type { Clock } from '../base/clock.ts';
import { turn, within } from '../base/clock.ts';
import { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { createPlacement } from '../placement/placement.ts';
import type { PlacementKind } from '../placement/kind.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import { Absences } from './absences.ts';
import { Company } from './company.ts';
import { Declaration } from './declaration.ts';
import { HeartbeatSession } from './heartbeat-session.ts';
import type { HeartbeatSessionListener } from './heartbeat-session.ts';
import { agreeOnConfig, claimNodeId, closedWhileJoining, configOf } from './joining.ts';
import type { JoiningOptions } from './joining.ts';
import { Ledger } from './ledger.ts';
import { Monitor } from './monitor.ts';
import { Ownership } from './ownership.ts';
import { Placing } from './placing.ts';
import { memberKey } from './records.ts';
import type { StartLimit } from './refusal.ts';
import { restoreEpochs } from './restoring.ts';
import type { NodeHost } from './shards.ts';
import type { ClusterStore, StoreListener, Watch } from './store.ts';
import type { Timing } from './timing.ts';
import type { MemberTraits } from './traits.ts';
import { Upkeep } from './upkeep.ts';

/** What stays the same over all incarnations of a node. */
export interface MemberSettings {
  readonly nodeId: string;
  readonly numShards: number;
  readonly seed: string;
  readonly weight: number;
  readonly isExclusive: boolean;
  readonly trustsNewBucket: boolean;
  readonly traits: MemberTraits;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface IncarnationOptions extends MemberSettings {
  readonly inc: string;
  readonly store: ClusterStore;
  readonly timing: Timing;
  readonly placement: PlacementKind;
  readonly host: NodeHost;
  /** The highest epoch of each shard, over all incarnations of this process. */
  readonly highestEpochs: Map<number, number>;
  /** The cluster of the last incarnation of this process that was a member; '' if none was. */
  readonly lastClusterId: string;
  /** How long joining may wait for the store; undefined means as long as the node runs. */
  readonly limit: StartLimit | undefined;
  readonly listener: HeartbeatSessionListener;
}

export class Incarnation {
  readonly session: HeartbeatSession;
  readonly ownership: Ownership;
  readonly ledger: Ledger;
  readonly declaration: Declaration;
  hasJoined = false;
  isFenced = false;
  readonly #options: IncarnationOptions;
  readonly #joining: JoiningOptions;
  readonly #monitor: Monitor;
  readonly #placing: Placing;
  readonly #company: Company;
  readonly #upkeep: Upkeep;
  readonly #alive = new Set<string>();
  /** This incarnation owns its name; before that, it must write nothing under it. */
  #hasClaimed = false;
  readonly #watches: Watch[] = [];
  #stopListening: (() => void) | undefined;
  #isEnded = false;
  #ending: Promise<void> | undefined;

  constructor(options: IncarnationOptions) {
    const { numShards, seed, clock, placement: kind, store, listener } = options;
    this.#options = options;
    this.#joining = { ...options, isWanted: () => !this.#isEnded };
    const session = new HeartbeatSession(options, {
      onLeaseExpired: () => {
        this.#monitor.suspend();
        listener.onLeaseExpired();
      },
      onValid: () => {
        this.ownership.reconcile();
        listener.onValid();
      },
      onFenced: (reason) => {
        this.isFenced = true;
        void this.end();
        listener.onFenced(reason);
      },
    });
    const ledger = new Ledger(options, {
      onMember: (id) => this.#onMember(id),
      onShard: (shard) => this.ownership.onShard(shard),
    });
    const known = { ...options, ledger, session };
    const placement = createPlacement({ numShards, seed, kind });
    this.session = session;
    this.ledger = ledger;
    this.declaration = new Declaration({ ...known, held: () => this.ownership.held });
    this.#company = new Company({ ...known, ...this.#joining, list: () => this.#upkeep.list() });
    this.#monitor = new Monitor({
      ...known,
      watch: (pattern) => store.watch(pattern, this.#storeListener),
    });
    this.#placing = new Placing({
      placement,
      numShards,
      clock,
      onPlaced: () => this.ownership.onMembersChanged(),
    });
    this.ownership = new Ownership({
      ...known,
      isPlaced: () => this.#placing.isDone,
      desiredOwner: (shard) => placement.ownerOf(shard),
    });
    this.#upkeep = new Upkeep({
      ...known,
      monitor: this.#monitor,
      absences: new Absences(ledger, session),
      declaration: this.declaration,
      ownership: this.ownership,
    });
  }

  /**
   * Resolves when the node is a member; it gets its shards from then on. `beforeShards` runs before the others may give
   * it any.
   *
   * @throws CLUSTER_CONFIG_MISMATCH, NODE_ID_IN_USE, FENCED, TRANSPORT_CLOSED; TIMEOUT or a refusal of the store when the
   * limit is over
   */
  async join(beforeShards: () => Promise<void>): Promise<void> {
    const { store, clock, limit, nodeId } = this.#options;
    const { session } = this;
    await this.#agree();
    const { entry, from } = await claimNodeId(this.#joining, session.nextBeat(), () => session.now());
    this.#hasClaimed = true;
    // The name may be in a later bucket than the agreed one, and this node has not known that bucket for long.
    await this.#agree();
    this.#checkRunning();
    session.begin(entry.revision, from);
    await beforeShards();
    this.#checkRunning();
    this.#stopListening = store.onConnection(() => this.#monitor.suspend());
    this.#watches.push(store.watch('m.*', this.#storeListener), store.watch('s.*', this.#storeListener));
    await this.#upkeep.firstList(limit?.begin('list all keys'));
    await this.#fitIn();
    // The others must not hand anything over to a node that does not know its own shards yet.
    while (!this.#placing.isDone) await turn(clock);
    await this.declaration.begin(limit?.begin(`write ${memberKey(nodeId)}`));
    this.#checkRunning();
    this.hasJoined = true;
    this.declaration.review();
    // A node that never left is not placed anew: nothing else would make it take its shards before the next heartbeat.
    this.ownership.reconcile();
    this.#monitor.assign();
    this.#upkeep.begin();
  }

  /** Finds out which bucket this incarnation is in. Waits and writes in an earlier bucket count for nothing in this. */
  async #agree(): Promise<void> {
    const { random, traits, lastClusterId, highestEpochs, trustsNewBucket } = this.#options;
    // A new id each time: a re-created bucket must not pass for the one before.
    const { prefix, codec } = traits;
    const own = configOf({ ...this.#options, prefix, codec }, randomId(random, 10));
    const { config, revision } = await agreeOnConfig(this.#joining, own);
    const { id } = config;
    if (id === this.ledger.clusterId) return;
    this.ledger.clusterId = id;
    // A process that was a member before knows of a bucket that was lost, and perhaps of owners.
    const isFirstBucket = lastClusterId === '' && highestEpochs.size === 0;
    const isNew = trustsNewBucket && isFirstBucket && id === own.id && revision === 1;
    this.ownership.onBucket(isNew);
    if (id !== lastClusterId) await restoreEpochs(this.ledger);
  }

  /** A node that does not fit frees its name at once. @throws CLUSTER_CONFIG_MISMATCH */
  async #fitIn(): Promise<void> {
    try {
      await this.#company.check();
    } catch (error) {
      await this.declaration.declare({ state: 'left' });
      throw error;
    }
  }

  /** How many shards the placement gives this node, as far as it knows the members. */
  get wanted(): number {
    return this.#placing.countOf(this.#options.nodeId);
  }

  /** Whether another member handles other message types than this node. */
  get isMixed(): boolean {
    return this.#company.isMixed;
  }

  /** Hands over every shard within `limitMs`, and tells the others that this incarnation is over. */
  async leave(limitMs: number): Promise<void> {
    const { clock, timing, logger, nodeId } = this.#options;
    const { declaration, ownership } = this;
    declaration.close();
    // It has not taken its name yet: another process may hold it, which must not be declared over.
    if (!this.#hasClaimed) void this.end();
    if (!this.#isEnded) await within(clock, declaration.declare({ state: 'draining' }), limitMs);
    if (!this.#isEnded) await within(clock, ownership.drain(), limitMs);
    const left = ownership.shards();
    if (left.length > 0) {
      logger.error(
        { event: 'node.hand_over_incomplete', nodeId, shards: left },
        `node ${nodeId} could not hand over ${counted(left.length, 'shard')} within ${limitMs} ms; other nodes take them over`,
      );
    }
    if (!this.#isEnded) {
      await within(clock, declaration.declare({ state: 'left' }), 2 * timing.ackTimeoutMs);
    }
    await this.end();
  }

  /** Ends it without telling the others. Resolves when nothing is left of its shards. Idempotent. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#isEnded = true;
    this.#stopListening?.();
    this.#upkeep.end();
    for (const watch of this.#watches) watch.close();
    this.#monitor.close();
    this.#placing.end();
    this.ledger.end();
    this.declaration.end();
    this.session.end();
    await this.ownership.end();
  }

  /** An end in the meantime has closed all that was open then, and would not close what opens now. */
  #checkRunning(): void {
    if (!this.#isEnded) return;
    if (this.isFenced) throw new ClstrError('FENCED', 'the node was fenced while it joined its cluster');
    throw closedWhileJoining();
  }

  readonly #storeListener: StoreListener = {
    onEntry: (entry) => {
      this.ledger.learn(entry);
    },
    onGap: () => {
      this.#monitor.suspend();
    },
  };

  #onMember(id: string): void {
    const { ledger } = this;
    const misfit = this.#company.misfitWith(id);
    if (misfit !== undefined) {
      this.session.fence(misfit.message);
      return;
    }
    const weight = ledger.isUp(id) ? (ledger.members.get(id)?.record?.weight ?? 1) : undefined;
    this.#placing.set(id, weight);
    if (ledger.isAlive(id) === this.#alive.has(id)) return;
    if (!this.#alive.delete(id)) this.#alive.add(id);
    // A joining incarnation learns all members at once, and is assigned those that it watches once it is a member.
    if (this.hasJoined && !this.isFenced) this.#monitor.assign();
  }
}
