/** Reads all writes to a cluster's bucket, and reports where ownership of a shard went wrong. */

/** A write to any key: a put, or a deletion if `value` is undefined. Only shard and member records are checked. */
export interface BucketWrite {
  readonly revision: number;
  readonly key: string;
  readonly value: string | undefined;
}

export type EpochProblemKind =
  /** The writes are not in order of revision; nothing after this is checked. */
  | 'out-of-order'
  /** A shard record was deleted, or is not a shard record: a cluster does neither. */
  | 'malformed'
  /** An epoch is lower than an earlier one. */
  | 'epoch-regressed'
  /** The owner changed and the epoch did not rise. */
  | 'epoch-not-raised'
  /** Two incarnations have the same epoch of a shard. */
  | 'two-owners'
  /** A shard moved more often than changes of membership explain. Only with `maxMovesPerChange`. */
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
  /** The number of records checked: an audit without any proves nothing. */
  readonly shardWrites: number;
  readonly moves: number;
  readonly membershipChanges: number;
}

export interface EpochAuditOptions {
  /**
   * How many moves of each shard one change of a member record explains. A move may happen as late as the next change.
   * With plain placement it is 1; the first owner of a shard does not count as a move. Default: moves are counted, not
   * checked.
   */
  maxMovesPerChange?: number | undefined;
}

/** Checks `writes`, which are all writes to one bucket in order of revision. */
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
  /** The holder of the shard, or its last one. */
  lastOwner: string | undefined;
  /** The holder of each epoch. */
  readonly owners: Map<number, string>;
  /** How many more moves the changes so far explain. */
  allowedMoves: number;
  /** The number of membership changes counted in `allowedMoves`. */
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

  /** False if the rest cannot be checked. */
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
      const what = write.value === undefined ? 'deleted' : 'not a shard record';
      this.#report('malformed', write, `${write.key} is ${what}`);
      return;
    }
    const { epoch, owner, inc, state } = record;
    const shard = this.#shardOf(write.key);
    const name = `${owner}#${inc}`;
    if (epoch < shard.highestEpoch) {
      this.#report('epoch-regressed', write, `${name} wrote epoch ${epoch} after ${shard.highestEpoch}`);
    }
    // A released shard was owned under the same epoch, unless provisioning or the loss of a bucket created the record.
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
    // Of the old changes only the last one may still cause moves.
    shard.allowedMoves = Math.min(shard.allowedMoves + changes * limit, 2 * limit) - 1;
    if (shard.allowedMoves >= 0) return;
    shard.allowedMoves = 0;
    this.#report('too-many-moves', write, `${write.key} moved, but no change of membership explains it`);
  }

  #shardOf(key: string): ShardHistory {
    let shard = this.#shards.get(key);
    if (shard === undefined) {
      const { membershipChanges: changesSeen } = this;
      // Its first owner may have written before it saw the last change, which then moves the shard.
      const allowedMoves = changesSeen > 1 ? (this.#maxMovesPerChange ?? 0) : 0;
      shard = { highestEpoch: -1, lastOwner: undefined, owners: new Map(), allowedMoves, changesSeen };
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
