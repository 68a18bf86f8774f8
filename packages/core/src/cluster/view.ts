/** What one run of a node has heard of its cluster: for each key the newest write it knows. All of it hints. */
import type { StoreEntry } from './store.ts';
import { isAddressToken } from '../wire/address.ts';
import { readHeartbeat, readMember, readShardIn } from './records.ts';
import type { Heartbeat, MemberRecord, ShardRecord } from './records.ts';
import type { Topology } from './shard-gate.ts';

type Owners = Topology['owners'];

/** The newest known write of a key; `record` is undefined when it was deleted or is no record. */
export interface Known<R> {
  readonly revision: number;
  readonly record: R | undefined;
}

export interface Beat extends Known<Heartbeat> {
  /** Monotonic time at which this revision was first seen. */
  readonly seenMs: number;
}

export interface ViewListener {
  onMember(nodeId: string): void;
  onShard(shard: number): void;
  onHeartbeat(nodeId: string): void;
}

export interface ViewOptions {
  readonly numShards: number;
  /** Of each shard, over all runs of this process: epochs must rise even when the bucket was lost. */
  readonly highestEpochs: Map<number, number>;
  /** Of the bucket that the run is in. */
  readonly clusterId: () => string;
  readonly listener: ViewListener;
}

export class View {
  readonly members: Map<string, Known<MemberRecord>> = new Map();
  readonly shards: Map<number, Known<ShardRecord>> = new Map();
  readonly heartbeats: Map<string, Beat> = new Map();
  readonly highestEpochs: Map<number, number>;
  readonly #numShards: number;
  #owners: Owners | undefined;
  readonly #clusterId: () => string;
  readonly #listener: ViewListener;

  constructor({ numShards, highestEpochs, clusterId, listener }: ViewOptions) {
    this.highestEpochs = highestEpochs;
    this.#numShards = numShards;
    this.#clusterId = clusterId;
    this.#listener = listener;
  }

  /** True when it told something new. A key that names no node and no shard of this cluster tells nothing. */
  apply(entry: StoreEntry, nowMs: number): boolean {
    const { key, revision, value } = entry;
    const name = key.slice(2);
    switch (key.slice(0, 2)) {
      case 'h.': {
        if (!isAddressToken(name) || !isNewer(this.heartbeats.get(name), revision)) return false;
        this.heartbeats.set(name, { revision, record: readHeartbeat(value), seenMs: nowMs });
        this.#listener.onHeartbeat(name);
        return true;
      }
      case 'm.': {
        if (!isAddressToken(name) || !isNewer(this.members.get(name), revision)) return false;
        this.members.set(name, { revision, record: readMember(value) });
        this.#listener.onMember(name);
        return true;
      }
      case 's.': {
        const shard = shardNamed(name);
        if (shard === undefined || shard >= this.#numShards) return false;
        if (!isNewer(this.shards.get(shard), revision)) return false;
        const record = readShardIn(this.#clusterId(), value);
        this.shards.set(shard, { revision, record });
        this.#owners = undefined;
        if (record !== undefined) {
          this.highestEpochs.set(shard, Math.max(record.epoch, this.highestEpochs.get(shard) ?? 0));
        }
        this.#listener.onShard(shard);
        return true;
      }
      default:
        return false;
    }
  }

  /** Who owns what; the same list until that changes. */
  owners(): Owners {
    if (this.#owners === undefined) {
      const owners: Owners[number][] = [];
      for (const [shard, { record }] of this.shards) {
        if (record?.state === 'owned') owners.push([shard, record.epoch, record.owner, record.inc]);
      }
      this.#owners = owners.sort(([a], [b]) => a - b);
    }
    return this.#owners;
  }

  forgetShard(shard: number): void {
    this.shards.delete(shard);
    this.#owners = undefined;
  }

  /** A full list says that the node's marks are gone. */
  forget(nodeId: string): void {
    this.heartbeats.delete(nodeId);
    if (this.members.delete(nodeId)) this.#listener.onMember(nodeId);
  }

  /**
   * Whether the run `inc` of a node can never serve again: it is dead, it has left, or another run has taken its name
   * after `revision`, where a record still named it. An older word of another run proves nothing: it may be the one
   * before.
   */
  isGone(nodeId: string, inc: string, revision: number): boolean {
    const beat = this.heartbeats.get(nodeId);
    const member = this.members.get(nodeId);
    if (beat?.record?.inc === inc && beat.record.isDead) return true;
    if (member?.record?.inc === inc && isOver(member.record)) return true;
    return isAnother(beat, inc, revision) || isAnother(member, inc, revision);
  }

  /** Whether the node takes part, as far as is known. */
  isUp(nodeId: string): boolean {
    return this.members.get(nodeId)?.record?.state === 'up' && !this.isDead(nodeId);
  }

  /** Whether the node takes part, and knows nothing against itself. */
  isFit(nodeId: string): boolean {
    return this.isUp(nodeId) && this.members.get(nodeId)?.record?.isInDoubt !== true;
  }

  /** Whether somebody has to watch the heartbeat of the node. */
  isAlive(nodeId: string): boolean {
    const state = this.members.get(nodeId)?.record?.state;
    return (state === 'up' || state === 'draining') && !this.isDead(nodeId);
  }

  /**
   * Whether the node's newest run was declared dead. That run may have ended before it wrote a member record: the record
   * is then still the one of the run before, and as dead.
   */
  isDead(nodeId: string): boolean {
    const beat = this.heartbeats.get(nodeId);
    const member = this.members.get(nodeId);
    if (beat?.record?.isDead !== true || member === undefined) return false;
    return beat.record.inc === member.record?.inc || beat.revision > member.revision;
  }
}

/** In its one form: `0x1`, `1e0` and `01` would be shard 1 a second time. */
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
