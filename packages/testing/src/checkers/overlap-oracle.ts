/**
 * Watches from outside which nodes serve each shard and which handlers run, and reports two owners at one instant, and
 * handlers of two epochs that run at once. It takes the order of the reports as the order of events, so that equal
 * times alone are not an overlap.
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
  /** The earlier owner and the later one. */
  readonly owners: readonly [ShardOwner, ShardOwner];
}

export interface OverlapOracle {
  /**
   * Reports that the owner admits work from now until `ended`, or until the time `until`, such as the end of its lease:
   * a paused node admits nothing after that although it cannot report it. A further call replaces `until`.
   */
  admitted(owner: ShardOwner, at: number, until?: number): void;
  /** Reports that the owner admits no more; call it for a crashed node too. Has no effect if it did not admit. */
  ended(owner: ShardOwner): void;
  /** Reports the start of one run of a handler, which `handler` names uniquely. */
  handlerStarted(owner: ShardOwner, handler: string, at: number): void;
  /** Reports that the run's signal was aborted: from now on it may overlap. */
  handlerAborted(handler: string): void;
  /** Reports the end of the run; call it for a crashed node too. */
  handlerEnded(handler: string): void;
  /** Reports that the incarnation's process is stopped or blocked: it cannot abort handlers before its next turn. */
  paused(inc: string): void;
  /** Reports that the process had its next turn, and aborted what it had to. */
  resumed(inc: string): void;
  readonly overlaps: readonly Overlap[];
  /** How often `admitted` and `handlerStarted` were checked: a test without any proves nothing. */
  readonly admissions: number;
  readonly handlers: number;
}

export function createOverlapOracle(): OverlapOracle {
  return new Overlaps();
}

interface Admission {
  readonly owner: ShardOwner;
  until: number;
}

class Overlaps implements OverlapOracle {
  readonly overlaps: Overlap[] = [];
  admissions = 0;
  handlers = 0;
  /** The admissions by shard and incarnation. */
  readonly #admitting = new Map<number, Map<string, Admission>>();
  /** The un-aborted running handlers, by shard and name. */
  readonly #running = new Map<number, Map<string, ShardOwner>>();
  readonly #shardOf = new Map<string, number>();
  readonly #paused = new Set<string>();
  /** The pairs already reported: an overlap that lasts is reported once. */
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
