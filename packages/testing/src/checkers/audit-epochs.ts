/** Reads every write that a cluster's bucket took, and says where ownership of a shard went wrong. */

/** A put, or a deletion when `value` is undefined. Of all keys; only shard and member records are looked at. */
export interface BucketWrite {
  readonly revision: number;
  readonly key: string;
  readonly value: string | undefined;
}

export type EpochProblemKind =
  /** Not in order of revision: nothing that follows is judged. */
  | 'out-of-order'
  /** No shard record, or deleted: a cluster does neither. */
  | 'malformed'
  /** An epoch below one before it. */
  | 'epoch-regressed'
  /** The owner changed and the epoch did not rise. */
  | 'epoch-not-raised'
  /** One epoch of a shard belongs to two incarnations. */
  | 'two-owners'
  /** More moves of a shard than changes of membership explain. Only with `maxMovesPerChange`. */
  | 'too-many-moves';

export interface EpochProblem {
  readonly kind: EpochProblemKind;
  readonly revision: number;
  readonly key: string;
  /** One sentence. */
  readonly explanation: string;
}

export interface EpochAudit {
  readonly problems: readonly EpochProblem[];
  /** What was looked at: an audit of nothing has shown nothing. */
  readonly shardWrites: number;
  readonly moves: number;
  readonly membershipChanges: number;
}

export interface EpochAuditOptions {
  /**
   * How many moves of each shard one change of a member record explains. A move may come as late as the next change. For
   * plain placement it is 1, and the first owner of a shard is no move. Default: moves are counted, not judged.
   */
  maxMovesPerChange?: number | undefined;
}

/** `writes`: all of one bucket, in order of revision. */
export function auditEpochs(writes: Iterable<BucketWrite>, options: EpochAuditOptions = {}): EpochAudit {
  const audit = new Audit(options.maxMovesPerChange);
  for (const write of writes) if (!audit.take(write)) break;
  return audit;
}

interface ShardWrite {
  readonly epoch: number;
  readonly owner: string;
  readonly inc: string;
  readonly state: 'owned' | 'released' | 'restored';
}

interface ShardHistory {
  highestEpoch: number;
  /** Who holds it, or held it last. */
  lastOwner: string | undefined;
  /** By epoch. */
  readonly owners: Map<number, string>;
  /** How many moves the changes so far explain. */
  allowedMoves: number;
  /** Changes of membership that are counted in `allowedMoves`. */
  changesSeen: number;
}

class Audit implements EpochAudit {
  readonly problems: EpochProblem[] = [];
  shardWrites = 0;
  moves = 0;
  membershipChanges = 0;
  readonly #maxMovesPerChange: number | undefined;
  readonly #shards = new Map<string, ShardHistory>();
  readonly #members = new Map<string, string>();
  #revision = 0;

  constructor(maxMovesPerChange: number | undefined) {
    this.#maxMovesPerChange = maxMovesPerChange;
  }

  /** False when the rest cannot be judged. */
  take(write: BucketWrite): boolean {
    const { revision, key } = write;
    if (revision <= this.#revision) {
      this.#report('out-of-order', write, `revision ${revision} follows ${this.#revision}`);
      return false;
    }
    this.#revision = revision;
    if (key.startsWith('s.')) this.#takeShard(write);
    else if (key.startsWith('m.')) this.#takeMember(write);
    return true;
  }

  #takeMember({ key, value }: BucketWrite): void {
    const { inc, state } = fieldsOf(value);
    const member = `${String(inc)} ${String(state)}`;
    if (this.#members.get(key) === member) return;
    this.#members.set(key, member);
    this.membershipChanges++;
  }

  #takeShard(write: BucketWrite): void {
    this.shardWrites++;
    const record = readShard(write.value);
    if (record === undefined) {
      const what = write.value === undefined ? 'deleted' : 'no shard record';
      this.#report('malformed', write, `${write.key} is ${what}`);
      return;
    }
    const { epoch, owner, inc, state } = record;
    const shard = this.#shardOf(write.key);
    const name = `${owner}#${inc}`;
    if (epoch < shard.highestEpoch) {
      this.#report('epoch-regressed', write, `${name} wrote epoch ${epoch} after ${shard.highestEpoch}`);
    }
    // What is released was owned under the same epoch, unless `provision` or the loss of a bucket made the record.
    const holder = shard.owners.get(epoch);
    if (holder !== undefined && holder !== name && state !== 'restored') {
      this.#report(
        'two-owners',
        write,
        `epoch ${epoch} belongs to ${holder}, and ${name} wrote it as ${state}`,
      );
    }
    if (state === 'owned') this.#own(write, shard, epoch, name);
    shard.highestEpoch = Math.max(shard.highestEpoch, epoch);
  }

  #own(write: BucketWrite, shard: ShardHistory, epoch: number, name: string): void {
    const { lastOwner } = shard;
    if (lastOwner !== undefined && lastOwner !== name) {
      if (epoch === shard.highestEpoch) {
        this.#report('epoch-not-raised', write, `${name} took over from ${lastOwner} with epoch ${epoch}`);
      }
      this.#move(write, shard);
    }
    shard.lastOwner = name;
    if (!shard.owners.has(epoch)) shard.owners.set(epoch, name);
  }

  #move(write: BucketWrite, shard: ShardHistory): void {
    this.moves++;
    const limit = this.#maxMovesPerChange;
    if (limit === undefined) return;
    const changes = this.membershipChanges - shard.changesSeen;
    shard.changesSeen = this.membershipChanges;
    // Of old changes only the last one may still be at work.
    shard.allowedMoves = Math.min(shard.allowedMoves + changes * limit, 2 * limit) - 1;
    if (shard.allowedMoves >= 0) return;
    shard.allowedMoves = 0;
    this.#report('too-many-moves', write, `${write.key} moved and no change of membership explains it`);
  }

  #shardOf(key: string): ShardHistory {
    let shard = this.#shards.get(key);
    if (shard === undefined) {
      const { membershipChanges: changesSeen } = this;
      shard = { highestEpoch: -1, lastOwner: undefined, owners: new Map(), allowedMoves: 0, changesSeen };
      this.#shards.set(key, shard);
    }
    return shard;
  }

  #report(kind: EpochProblemKind, { revision, key }: BucketWrite, explanation: string): void {
    this.problems.push({ kind, revision, key, explanation });
  }
}

function readShard(value: string | undefined): ShardWrite | undefined {
  const { epoch, owner, inc, state } = fieldsOf(value);
  const isRecord =
    Number.isSafeInteger(epoch) &&
    (epoch as number) >= 0 &&
    typeof owner === 'string' &&
    typeof inc === 'string' &&
    (state === 'owned' || state === 'released' || state === 'restored');
  return isRecord ? { epoch: epoch as number, owner, inc, state } : undefined;
}

function fieldsOf(value: string | undefined): Readonly<Record<string, unknown>> {
  try {
    const fields: unknown = JSON.parse(value ?? '');
    return typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
