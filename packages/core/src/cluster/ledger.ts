/**
 * The bucket of a cluster as one incarnation uses it: the newest write it knows for each key, and the writes it makes.
 * The former are hints for when to try; only an acknowledged write is certain.
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import { isAddressToken } from '../wire/address.ts';
import type { NodeAddress } from '../wire/address.ts';
import type { ClusterStore, StoreEntry } from './store.ts';
import { memberKey, ownerIn, readHeartbeat, readMember, readShardIn } from './records.ts';
import type { Heartbeat, MemberRecord, ShardRecord, WithoutNonce } from './records.ts';
import type { OnFailure } from './refusal.ts';
import type { NoOwnerReason, Topology } from './shards.ts';
import type { Timing } from './timing.ts';
import { writeUntilKnown } from './write.ts';
import type { WriteResult } from './write.ts';

/** The newest known write of a key; `record` is undefined if the key was deleted or holds no valid record. */
export interface Known<R> {
  readonly revision: number;
  readonly record: R | undefined;
}

export interface Beat extends Known<Heartbeat> {
  /** Monotonic time at which this revision was first seen. */
  readonly seenMs: number;
}

export interface LedgerListener {
  /** The ledger has learned a new member record or heartbeat of a node. */
  onMember(nodeId: string): void;
  onShard(shard: number): void;
}

export interface LedgerOptions {
  readonly numShards: number;
  readonly store: ClusterStore;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly random: Random;
  /** The highest epoch of each shard, over all incarnations of this process: epochs must rise even when the bucket was lost. */
  readonly highestEpochs: Map<number, number>;
}

export class Ledger {
  readonly members: Map<string, Known<MemberRecord>> = new Map();
  readonly shards: Map<number, Known<ShardRecord>> = new Map();
  readonly heartbeats: Map<string, Beat> = new Map();
  readonly highestEpochs: Map<number, number>;
  readonly store: ClusterStore;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly #options: LedgerOptions;
  readonly #listener: LedgerListener;
  #clusterId = '';
  #topology: Topology | undefined;
  /** It has learned a full list. */
  #isComplete = false;
  #isEnded = false;

  constructor(options: LedgerOptions, listener: LedgerListener) {
    this.#options = options;
    this.#listener = listener;
    this.highestEpochs = options.highestEpochs;
    this.store = options.store;
    this.timing = options.timing;
    this.clock = options.clock;
  }

  /** The id of the bucket that the incarnation is in; '' until it has agreed on the configuration. */
  get clusterId(): string {
    return this.#clusterId;
  }

  set clusterId(id: string) {
    this.#clusterId = id;
    this.#topology = undefined;
  }

  /**
   * One compare-and-set of `record`, sent until its result is certain. The ledger learns the newest write of the key
   * before it returns the result. Gives up when `isWanted` returns false.
   *
   * @throws what `onFailure` throws
   */
  write(
    key: string,
    revision: number,
    record: WithoutNonce,
    isWanted: () => boolean,
    onFailure?: OnFailure,
  ): Promise<WriteResult> {
    const value = this.encode(record);
    const onKnown = (newest: StoreEntry): void => this.learn(newest);
    return writeUntilKnown(this.#options, { key, revision, value, isWanted, onFailure, onKnown });
  }

  /** The bytes of a record, different from those of any other write. */
  encode(record: WithoutNonce): string {
    return JSON.stringify({ ...record, nonce: randomId(this.#options.random, 10) });
  }

  /** From now on it learns nothing. */
  end(): void {
    this.#isEnded = true;
  }

  learn(entry: StoreEntry): void {
    if (!this.#isEnded) this.#apply(entry);
  }

  /** Learns a full list of the bucket, and forgets a member that is not in it any more. */
  learnAll(entries: readonly StoreEntry[]): void {
    for (const entry of entries) this.#apply(entry);
    if (!this.#isComplete) this.#topology = undefined;
    this.#isComplete = true;
    const keys = new Set(entries.map(({ key }) => key));
    const newest = Math.max(...entries.map(({ revision }) => revision));
    for (const [id, { revision }] of this.members) {
      if (!keys.has(memberKey(id)) && revision < newest) this.forget(id);
    }
  }

  /** Ignores a key that names neither a node nor a shard of this cluster. */
  #apply({ key, revision, value }: StoreEntry): void {
    const kind = key.slice(0, 2);
    const name = key.slice(2);
    if (kind === 's.') {
      const shard = shardNamed(name);
      if (shard === undefined || shard >= this.#options.numShards) return;
      if (isNewer(this.shards.get(shard), revision)) this.#applyShard(shard, revision, value);
    } else if (!isAddressToken(name)) return;
    else if (kind === 'h.' && isNewer(this.heartbeats.get(name), revision)) {
      const seenMs = this.clock.monoMs();
      const record = readHeartbeat(value);
      const before = this.heartbeats.get(name)?.record;
      if (before?.inc !== record?.inc || before?.isDead !== record?.isDead) this.#topology = undefined;
      this.heartbeats.set(name, { revision, record, seenMs });
      this.#listener.onMember(name);
    } else if (kind === 'm.' && isNewer(this.members.get(name), revision)) {
      this.members.set(name, { revision, record: readMember(value) });
      this.#topology = undefined;
      this.#listener.onMember(name);
    }
  }

  #applyShard(shard: number, revision: number, value: string | undefined): void {
    const record = readShardIn(this.#clusterId, value);
    this.shards.set(shard, { revision, record });
    this.#topology = undefined;
    if (record !== undefined) {
      this.highestEpochs.set(shard, Math.max(record.epoch, this.highestEpochs.get(shard) ?? 0));
    }
    this.#listener.onShard(shard);
  }

  /** The owners of all shards; the same object until one changes. */
  topology(): Topology {
    if (this.#topology === undefined) {
      const owners: Topology['owners'][number][] = [];
      for (const [shard, { record }] of this.shards) {
        if (record?.state === 'owned') owners.push([shard, record.epoch, record.owner, record.inc]);
      }
      owners.sort(([a], [b]) => a - b);
      this.#topology = { clusterId: this.#clusterId, owners, unowned: this.#unowned() };
    }
    return this.#topology;
  }

  /** The shards that no live run owns: those of one reason and node together, as at a start that may be all. */
  #unowned(): Topology['unowned'] {
    if (!this.#isComplete) return undefined;
    const groups = new Map<string, [NoOwnerReason, string, number[]]>();
    for (let shard = 0; shard < this.#options.numShards; shard++) {
      if (this.isOwned(shard)) continue;
      const record = this.shards.get(shard)?.record;
      const state = record?.state ?? 'new';
      const reason = state === 'owned' ? 'gone' : state;
      const owner = record?.owner ?? '';
      const group = groups.get(`${reason} ${owner}`);
      if (group === undefined) groups.set(`${reason} ${owner}`, [reason, owner, [shard]]);
      else group[2].push(shard);
    }
    return [...groups.values()];
  }

  /** The owner of a shard. */
  ownerOf(shard: number): { epoch: number; address: NodeAddress } | undefined {
    const record = this.shards.get(shard)?.record;
    const address = record?.state === 'owned' ? ownerIn(record) : undefined;
    return address && { epoch: record!.epoch, address };
  }

  /** Whether an incarnation that may live owns the shard. */
  isOwned(shard: number): boolean {
    const known = this.shards.get(shard);
    const record = known?.record;
    return record?.state === 'owned' && !this.isGone(record.owner, record.inc, known!.revision);
  }

  forgetShard(shard: number): void {
    this.shards.delete(shard);
    this.#topology = undefined;
  }

  /** Forgets a node whose records are gone from a full list. */
  forget(nodeId: string): void {
    this.heartbeats.delete(nodeId);
    this.#topology = undefined;
    if (this.members.delete(nodeId)) this.#listener.onMember(nodeId);
  }

  /**
   * Whether the incarnation `inc` of a node can never serve again: it is dead, it has left, or another incarnation took
   * its name after `revision`, where a record still named it. An older record of another one may be from before it.
   */
  isGone(nodeId: string, inc: string, revision: number): boolean {
    const beat = this.heartbeats.get(nodeId);
    const member = this.members.get(nodeId);
    if (beat?.record?.inc === inc && beat.record.isDead) return true;
    if (member?.record?.inc === inc && isOver(member.record)) return true;
    return isAnother(beat, inc, revision) || isAnother(member, inc, revision);
  }

  /** Whether the node takes part, as far as the ledger knows. */
  isUp(nodeId: string): boolean {
    return this.members.get(nodeId)?.record?.state === 'up' && !this.isDead(nodeId);
  }

  /** Whether the node takes part, and does not doubt its own reach. */
  isFit(nodeId: string): boolean {
    return this.isUp(nodeId) && this.members.get(nodeId)?.record?.isInDoubt !== true;
  }

  /** Whether a monitor has to watch the heartbeat of the node. */
  isAlive(nodeId: string): boolean {
    const state = this.members.get(nodeId)?.record?.state;
    return (state === 'up' || state === 'draining') && !this.isDead(nodeId);
  }

  /**
   * Whether the node's newest run was declared dead. If that run ended before it wrote a member record, the record is
   * still that of the run before, which is as dead.
   */
  isDead(nodeId: string): boolean {
    const beat = this.heartbeats.get(nodeId);
    const member = this.members.get(nodeId);
    if (beat?.record?.isDead !== true || member === undefined) return false;
    return beat.record.inc === member.record?.inc || beat.revision > member.revision;
  }
}

/** Accepts one form of a number only: `0x1`, `1e0` and `01` would be shard 1 a second time. */
function shardNamed(name: string): number | undefined {
  return /^(?:0|[1-9]\d{0,9})$/.test(name) ? Number(name) : undefined;
}

function isNewer(known: Known<unknown> | undefined, revision: number): boolean {
  return known === undefined || revision > known.revision;
}

function isOver({ state }: MemberRecord): boolean {
  return state === 'left' || state === 'dead';
}

function isAnother(
  known: Known<{ readonly inc: string }> | undefined,
  inc: string,
  revision: number,
): boolean {
  return known?.record !== undefined && known.record.inc !== inc && known.revision > revision;
}
