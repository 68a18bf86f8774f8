/**
 * The shards that one run of a node holds, takes and hands over. Each shard goes its own way, one step at a time:
 *
 *   not held ── acquire ──▶ held, asserted ── lease lapsed ──▶ held ── assert ──▶ held, asserted
 *                              ╰── hand over: refuse, finish, passivate, release ──▶ not held
 *   held ── another wrote its record ──▶ lost: nothing of it may be saved
 */
import { Slices } from '../base/slices.ts';
import type { Logger } from '../base/logger.ts';
import { HeldShards } from './held-shards.ts';
import type { HeldShard } from './held-shards.ts';
import { formerOwnerIn, shardKey } from './records.ts';
import type { ShardRecord } from './records.ts';
import { Rest } from './rest.ts';
import { isForgotten, restoredAt } from './restoring.ts';
import type { HeartbeatSession } from './heartbeat-session.ts';
import type { Known, Ledger } from './ledger.ts';
import type { FormerOwner, ShardHost } from './shards.ts';
import type { WriteResult } from './write.ts';

export interface OwnershipOptions {
  readonly nodeId: string;
  readonly inc: string;
  readonly isExclusive: boolean;
  readonly numShards: number;
  readonly ledger: Ledger;
  readonly session: HeartbeatSession;
  readonly logger: Logger;
  readonly host: ShardHost;
  /** Whether all known members are placed: until then, do not act on `desiredOwner`. */
  readonly isPlaced: () => boolean;
  /** The member that should own a shard, among those that are up. */
  readonly desiredOwner: (shard: number) => string | undefined;
}

export class Ownership {
  readonly #options: OwnershipOptions;
  readonly #held: HeldShards;
  readonly #busy = new Set<number>();
  /** Lost, and not cleared away yet: the shard must not be taken again while anything of it is left. */
  readonly #dropping = new Map<number, Promise<void>>();
  readonly #slices: Slices;
  readonly #rest: Rest;
  #moving = 0;
  #isDraining = false;
  #isEnded = false;
  #ending: Promise<void> | undefined;
  #isReconcileDue = false;
  #onEmpty: (() => void) | undefined;

  constructor(options: OwnershipOptions) {
    this.#options = options;
    this.#held = new HeldShards(options.numShards);
    this.#slices = new Slices(options.ledger.clock);
    const { clock, timing } = options.ledger;
    this.#rest = new Rest({ clock, timing, isPlaced: options.isPlaced, onRest: () => this.reconcile() });
  }

  /** Hot path: whether the node may admit a message for the shard at this very moment. */
  admits(shard: number, nowMs?: number): boolean {
    return (this.#held.get(shard)?.isServing ?? false) && this.holds(shard, undefined, nowMs);
  }

  /** Whether the shard is held in the given epoch, even if it is on its way in or out. */
  holds(shard: number, epoch: number | undefined, nowMs?: number): boolean {
    const heldShard = this.#held.get(shard);
    const { session } = this.#options;
    if (heldShard === undefined || !session.isValid(nowMs) || heldShard.confirmedInTerm !== session.leaseTerm)
      return false;
    return epoch === undefined || heldShard.epoch === epoch;
  }

  /** The fencing token, while the shard is held. */
  epochOf(shard: number): number | undefined {
    return this.#held.get(shard)?.epoch;
  }

  get held(): number {
    return this.#held.count;
  }

  /** Held now, ascending; the same list until it changes. */
  shards(): readonly number[] {
    return this.#held.list();
  }

  /** This run is in a bucket that it has not seen before; the bucket `isNew` if this run wrote its first record. */
  onBucket(isNew: boolean): void {
    this.#rest.onBucket(isNew);
  }

  /** The members that are up have changed. */
  onMembersChanged(): void {
    if (this.#isEnded) return;
    this.#rest.onMembersChanged();
    this.reconcile();
  }

  onShard(shard: number): void {
    if (this.#isTakenOver(shard)) this.#drop(shard);
    this.#work(shard);
  }

  /** Takes the next step of every shard. */
  reconcile(): void {
    for (let shard = 0; shard < this.#options.numShards; shard++) this.#work(shard);
  }

  /** Hands over every shard; resolves when none is held. The caller has declared to the others that it drains. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    if (this.#held.count === 0 && this.#busy.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      this.reconcile();
    });
  }

  /** Ends without telling the others. Resolves when all shards still held are cleared away. Idempotent. */
  end(): Promise<void> {
    this.#ending ??= this.#end();
    return this.#ending;
  }

  async #end(): Promise<void> {
    this.#isEnded = true;
    this.#rest.end();
    const shards = this.shards();
    // All at once: from now on nothing on them is admitted, run or answered, however long the rest takes.
    for (const shard of shards) this.#held.set(shard, undefined);
    this.#onEmpty?.();
    await this.#slices.each(shards, (shard) => this.#drop(shard));
    await Promise.all(this.#dropping.values());
  }

  /** Other shards may have waited for their turn to move. */
  #reconcileSoon(): void {
    if (this.#isReconcileDue) return;
    this.#isReconcileDue = true;
    this.#options.ledger.clock.macrotask(() => {
      this.#isReconcileDue = false;
      this.reconcile();
    });
  }

  #work(shard: number): void {
    if (this.#busy.has(shard) || this.#dropping.has(shard) || this.#isEnded) return;
    const step = this.#nextStep(shard);
    if (step === undefined) return;
    this.#busy.add(shard);
    void this.#take(shard, step);
  }

  async #take(shard: number, step: Step): Promise<void> {
    const { logger, nodeId } = this.#options;
    try {
      await step();
    } catch (err) {
      const fields = { event: 'node.shard_step_failed', err, shard, nodeId };
      logger.error(fields, `a step of shard ${shard} failed`);
    } finally {
      this.#busy.delete(shard);
    }
    if (this.#isDraining && this.#busy.size === 0 && this.#held.count === 0) this.#onEmpty?.();
    this.#work(shard);
  }

  /** The next step of a shard; undefined until something changes. */
  #nextStep(shard: number): Step | undefined {
    const { session, ledger, nodeId, inc, desiredOwner } = this.#options;
    if (!session.isValid()) return undefined;
    const heldShard = this.#held.get(shard);
    const known = ledger.shards.get(shard);
    const isDesired = !this.#isDraining && desiredOwner(shard) === nodeId;
    if (heldShard !== undefined) {
      if (heldShard.confirmedInTerm !== session.leaseTerm) return () => this.#confirm(shard, heldShard);
      return !isDesired && this.#mayMove() ? () => this.#handOver(shard, heldShard) : undefined;
    }
    const record = known?.record;
    if (record?.state === 'owned' && record.owner === nodeId && record.inc === inc) {
      return () => this.#adopt(shard, known!.revision, record);
    }
    if (this.#isDraining) return undefined;
    if (this.#mustRestore(shard, record)) return () => this.#restore(shard, known);
    if (!this.#isDeclared) return undefined;
    if (isDesired) return this.#acquisition(shard, known);
    const isFree = this.#rest.isNewBucket && known === undefined && this.#rest.isWaitOver(known);
    return isFree ? () => this.#release(shard) : undefined;
  }

  #acquisition(shard: number, known: Known<ShardRecord> | undefined): Step | undefined {
    const record = known?.record;
    if (record === undefined || record.state === 'restored') {
      return this.#rest.isWaitOver(known) && this.#rest.isStable
        ? () => this.#acquire(shard, known)
        : undefined;
    }
    if (!this.#rest.isSettled && !this.#isReturning(record)) return undefined;
    const { ledger } = this.#options;
    const isFree = record.state === 'released' || ledger.isGone(record.owner, record.inc, known!.revision);
    return isFree ? () => this.#acquire(shard, known) : undefined;
  }

  async #acquire(shard: number, known: Known<ShardRecord> | undefined): Promise<void> {
    const { ledger, session, nodeId, inc } = this.#options;
    const epoch = Math.max(known?.record?.epoch ?? 0, ledger.highestEpochs.get(shard) ?? 0) + 1;
    const confirmedInTerm = session.leaseTerm;
    const revision = known?.revision ?? 0;
    const result = await this.#write(shard, revision, { epoch, owner: nodeId, inc, state: 'owned' });
    if (result.kind !== 'acked') return;
    const former = formerOwnerIn(known?.record);
    await this.#hold(shard, epoch, result.entry.revision, confirmedInTerm, revision === 0, former);
  }

  /** Takes a shard whose record names this run already: the store carried out a write that this run had given up. */
  async #adopt(shard: number, revision: number, { epoch, owner, inc }: ShardRecord): Promise<void> {
    const confirmedInTerm = this.#options.session.leaseTerm;
    const result = await this.#write(shard, revision, { epoch, owner, inc, state: 'owned' });
    if (result.kind === 'acked')
      await this.#hold(shard, epoch, result.entry.revision, confirmedInTerm, false);
  }

  async #hold(
    shard: number,
    epoch: number,
    revision: number,
    confirmedInTerm: number,
    isCreated: boolean,
    former?: FormerOwner,
  ): Promise<void> {
    const { host, session } = this.#options;
    if (this.#isEnded) return;
    const heldShard: HeldShard = { epoch, revision, confirmedInTerm, isServing: false, isAnnounced: false };
    this.#held.set(shard, heldShard);
    if (this.#isTakenOver(shard)) {
      this.#drop(shard);
      return;
    }
    // A created record proves that there is a bucket, but not that it is the one with this node's heartbeats.
    if (isCreated && !(await session.confirm())) heldShard.confirmedInTerm = -1;
    if (this.#held.get(shard) !== heldShard) return;
    await host.serve(shard, former);
    if (this.#held.get(shard) !== heldShard) return;
    heldShard.isServing = true;
    this.#announce(shard, heldShard);
  }

  /** A shard that came while the session was lapsed is not yet this node's: another node may hold it by now. */
  #announce(shard: number, heldShard: HeldShard): void {
    if (heldShard.isAnnounced || !this.holds(shard, heldShard.epoch)) return;
    heldShard.isAnnounced = true;
    this.#options.host.onEvent({ type: 'acquired', shard, epoch: heldShard.epoch });
  }

  /** After the lease expired: finds out whether the record is still this node's, or another has taken it. */
  async #confirm(shard: number, heldShard: HeldShard): Promise<void> {
    const { session, nodeId, inc } = this.#options;
    const { leaseTerm } = session;
    const { epoch, revision } = heldShard;
    const result = await this.#write(shard, revision, { epoch, owner: nodeId, inc, state: 'owned' });
    if (this.#held.get(shard) !== heldShard) return;
    if (result.kind === 'acked') {
      heldShard.revision = result.entry.revision;
      heldShard.confirmedInTerm = leaseTerm;
      this.#announce(shard, heldShard);
    } else this.#drop(shard);
  }

  async #handOver(shard: number, heldShard: HeldShard): Promise<void> {
    const { host, nodeId, inc } = this.#options;
    heldShard.isServing = false;
    this.#moving++;
    try {
      const carries = await host.handOver(shard);
      if (this.#held.get(shard) !== heldShard) return;
      const { epoch, revision } = heldShard;
      this.#held.set(shard, undefined);
      await this.#write(shard, revision, { epoch, owner: nodeId, inc, state: 'released', carries });
      host.onEvent({ type: 'released', shard });
    } finally {
      this.#moving--;
    }
    this.#reconcileSoon();
  }

  /** Only the node that made the bucket knows that nobody has to wait any longer: it spares the others. */
  async #release(shard: number): Promise<void> {
    await this.#write(shard, 0, { epoch: 0, owner: '', inc: '', state: 'released' });
  }

  /** The bucket was lost: epochs must rise all the same. */
  #mustRestore(shard: number, record: ShardRecord | undefined): boolean {
    return isForgotten(record, this.#options.ledger.highestEpochs.get(shard) ?? 0);
  }

  async #restore(shard: number, known: Known<ShardRecord> | undefined): Promise<void> {
    const { highestEpochs } = this.#options.ledger;
    await this.#write(shard, known?.revision ?? 0, restoredAt(highestEpochs.get(shard)!));
  }

  /** Goes on when the lease expires: this run must know how the write ended. */
  async #write(shard: number, revision: number, said: Omit<ShardRecord, 'nonce'>): Promise<WriteResult> {
    const { ledger } = this.#options;
    const record = { ...said, cluster: ledger.clusterId };
    const result = await ledger.write(shardKey(shard), revision, record, () => !this.#isEnded);
    if (this.#isEnded) return { kind: 'given-up' };
    if (result.kind === 'lost' && result.newest === undefined) await this.#onGone(shard, revision);
    return result;
  }

  /** The record is gone, and with it perhaps the bucket. The heartbeat finds out; another try would not. */
  async #onGone(shard: number, revision: number): Promise<void> {
    const { session, ledger } = this.#options;
    if (!(await session.confirm())) return;
    if ((ledger.shards.get(shard)?.revision ?? 0) <= revision) ledger.forgetShard(shard);
  }

  #isTakenOver(shard: number): boolean {
    const { ledger, nodeId, inc } = this.#options;
    const heldShard = this.#held.get(shard);
    const known = ledger.shards.get(shard);
    if (heldShard === undefined || known === undefined || known.revision <= heldShard.revision) return false;
    return known.record?.owner !== nodeId || known.record.inc !== inc;
  }

  #drop(shard: number): void {
    this.#held.set(shard, undefined);
    const dropping = this.#options.host.drop(shard).then(() => {
      if (this.#dropping.get(shard) !== dropping) return;
      this.#dropping.delete(shard);
      this.#work(shard);
    });
    this.#dropping.set(shard, dropping);
    this.#options.host.onEvent({ type: 'lost', shard });
  }

  #mayMove(): boolean {
    const { ledger, nodeId } = this.#options;
    if (this.#moving >= ledger.timing.maxMoving) return false;
    // A node that wants no shards any more waits for nothing.
    return this.#isDraining || this.#rest.isStable || !ledger.isUp(nodeId);
  }

  /** The shard of a former run, which this one has replaced: the others leave it to this node, as it never left. */
  #isReturning({ owner }: ShardRecord): boolean {
    const { isExclusive, nodeId, isPlaced } = this.#options;
    return isExclusive && owner === nodeId && isPlaced();
  }

  /**
   * The run before this one may have left the node `up`, and others may declare it dead only now: a shard taken under
   * that record would look as if its owner were gone.
   */
  get #isDeclared(): boolean {
    const { ledger, nodeId, inc } = this.#options;
    return ledger.members.get(nodeId)?.record?.inc === inc;
  }
}

type Step = () => Promise<void>;
