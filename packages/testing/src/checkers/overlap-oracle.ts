/**
 * Watches from outside who serves which shard, and which handlers run: two owners at one instant, or two epochs at work
 * at once, are reported. It judges in the order in which it is told, so that equal times are no overlap by themselves.
 */

/** One run of a node, as the owner of a shard under one epoch. */
export interface ShardOwner {
  readonly shard: number;
  readonly nodeId: string;
  readonly inc: string;
  readonly epoch: number;
}

export type OverlapKind =
  /** Two incarnations admit work for one shard at the same instant. */
  | 'two-owners'
  /** A handler starts while one of another epoch of the shard runs, its signal not aborted. */
  | 'two-epochs';

export interface Overlap {
  readonly kind: OverlapKind;
  readonly at: number;
  /** Who was there, and who came. */
  readonly owners: readonly [ShardOwner, ShardOwner];
}

export interface OverlapOracle {
  /**
   * The owner admits work from now on until `ended`, or until the time `until`, such as the end of its lease: a paused
   * node admits nothing later although it cannot say so. Told again, `until` is replaced.
   */
  admitted(owner: ShardOwner, at: number, until?: number): void;
  /** It admits no more; also to be told of a node that crashed. Nothing happens when it did not admit. */
  ended(owner: ShardOwner): void;
  /** `handler` names one run of a handler, unique for the oracle. */
  handlerStarted(owner: ShardOwner, handler: string, at: number): void;
  /** Its signal is aborted: from now on it may overlap. */
  handlerAborted(handler: string): void;
  /** Also to be told of a node that crashed. */
  handlerEnded(handler: string): void;
  /** The process of the incarnation is stopped, or blocks its event loop: it cannot abort before its next turn. */
  paused(inc: string): void;
  /** It had its next turn, and aborted what it had to. */
  resumed(inc: string): void;
  readonly overlaps: readonly Overlap[];
  /** How often `admitted` and `handlerStarted` were judged: a test that saw none has shown nothing. */
  readonly admissions: number;
  readonly handlers: number;
}

export function createOverlapOracle(): OverlapOracle {
  return new Oracle();
}

interface Admission {
  readonly owner: ShardOwner;
  until: number;
}

class Oracle implements OverlapOracle {
  readonly overlaps: Overlap[] = [];
  admissions = 0;
  handlers = 0;
  /** By shard, then by incarnation. */
  readonly #admitting = new Map<number, Map<string, Admission>>();
  /** By shard, then by handler: those that run un-aborted. */
  readonly #running = new Map<number, Map<string, ShardOwner>>();
  readonly #shardOf = new Map<string, number>();
  readonly #paused = new Set<string>();
  /** Pairs that were reported: an overlap lasts, and is one. */
  readonly #reported = new Set<string>();

  admitted(owner: ShardOwner, at: number, until = Infinity): void {
    this.admissions++;
    const admitting = entryOf(this.#admitting, owner.shard);
    for (const [inc, other] of admitting) {
      if (other.until <= at) admitting.delete(inc);
      else if (inc !== owner.inc) this.#report('two-owners', other.owner, owner, at);
    }
    admitting.set(owner.inc, { owner, until });
  }

  ended({ shard, inc }: ShardOwner): void {
    this.#admitting.get(shard)?.delete(inc);
  }

  handlerStarted(owner: ShardOwner, handler: string, at: number): void {
    this.handlers++;
    const running = entryOf(this.#running, owner.shard);
    for (const other of running.values()) {
      if (other.epoch === owner.epoch || this.#paused.has(other.inc)) continue;
      this.#report('two-epochs', other, owner, at);
    }
    running.set(handler, owner);
    this.#shardOf.set(handler, owner.shard);
  }

  handlerAborted(handler: string): void {
    const shard = this.#shardOf.get(handler);
    if (shard === undefined) return;
    this.#shardOf.delete(handler);
    this.#running.get(shard)?.delete(handler);
  }

  handlerEnded(handler: string): void {
    this.handlerAborted(handler);
  }

  paused(inc: string): void {
    this.#paused.add(inc);
  }

  resumed(inc: string): void {
    this.#paused.delete(inc);
  }

  #report(kind: OverlapKind, there: ShardOwner, came: ShardOwner, at: number): void {
    const names = [there, came].map(({ inc, epoch }) => `${inc} ${epoch}`).sort();
    const pair = `${kind} ${came.shard} ${names.join(' ')}`;
    if (this.#reported.has(pair)) return;
    this.#reported.add(pair);
    this.overlaps.push({ kind, at, owners: [there, came] });
  }
}

function entryOf<V>(shards: Map<number, Map<string, V>>, shard: number): Map<string, V> {
  const known = shards.get(shard);
  if (known !== undefined) return known;
  const entry = new Map<string, V>();
  shards.set(shard, entry);
  return entry;
}
