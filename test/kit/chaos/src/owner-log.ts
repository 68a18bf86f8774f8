/**
 * The reports of a cluster's nodes on one time line: the current owners, the moves, and at the end whether any two
 * owners ever overlapped.
 */
import { createOverlapOracle } from '@clstr/testing/internal';
import type { OverlapOracle, ShardOwner } from '@clstr/testing/internal';
import type { NodeReport } from './node-reports.ts';

/** `run` is the number of the process: two processes may have the same id. */
interface Fact {
  readonly at: number;
  readonly run: number;
  readonly id: string;
  readonly report: NodeReport | { readonly kind: 'paused' | 'resumed' | 'exited' };
}

export interface Move {
  readonly at: number;
  readonly shard: number;
  readonly epoch: number;
  readonly id: string;
  readonly run: number;
}

export interface Audit {
  /** The problems, one sentence each: an overlap, a handler under an old epoch, an epoch that did not rise. */
  readonly problems: readonly string[];
  readonly acquisitions: number;
  readonly handlers: number;
}

export class OwnerLog {
  readonly #facts: Fact[] = [];
  readonly #shardOf: (key: string) => number;
  /** Every acquisition of a shard, in the order of the reports. */
  readonly acquired: Move[] = [];
  readonly releasing: Move[] = [];
  readonly #owners = new Map<number, Move>();
  readonly #waiting = new Set<() => void>();
  readonly #listeners = new Set<(release: Move) => void>();

  constructor(shardOf: (key: string) => number) {
    this.#shardOf = shardOf;
  }

  record(at: number, run: number, id: string, report: Fact['report']): void {
    const fact = { at: 'at' in report ? report.at : at, run, id, report };
    this.#facts.push(fact);
    this.#follow(fact);
    for (const check of [...this.#waiting]) check();
  }

  /** Calls `listener` when a node begins to hand a shard over. */
  onReleasing(listener: (release: Move) => void): void {
    this.#listeners.add(listener);
  }

  /** The owners according to the reports so far. */
  ownerOf(shard: number): Move | undefined {
    return this.#owners.get(shard);
  }

  shardsOf(id: string): number[] {
    return [...this.#owners].filter(([, owner]) => owner.id === id).map(([shard]) => shard);
  }

  /** The events since a time, by type and optionally by node. */
  events(type: string, sinceMs: number, id?: string): { at: number; id: string; run: number }[] {
    return this.#facts.filter(
      ({ at, id: of, report }) =>
        at >= sinceMs && report.kind === 'event' && report.event.type === type && (id ?? of) === of,
    );
  }

  /** The handlers of a node that started since a time, with their epochs. */
  handlersStarted(id: string, sinceMs: number): { at: number; shard: number; epoch: number }[] {
    return this.#facts.flatMap(({ id: of, report }) =>
      of === id && report.kind === 'handlers'
        ? report.steps
            .filter(([what, , , , at]) => what === 'started' && at >= sinceMs)
            .map(([, , key, epoch, at]) => ({ at, epoch, shard: this.#shardOf(key) }))
        : [],
    );
  }

  /** Resolves once `holds()` is true, which is checked after each report. */
  async until(what: string, holds: () => boolean, timeoutMs: number): Promise<void> {
    if (holds()) return;
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        reject(new Error(`not within ${timeoutMs} ms: ${what}`));
      }, timeoutMs);
      this.#waiting.add(check);
    });
  }

  /** Checks all reports. */
  audit(): Audit {
    return new Judge(this.#shardOf).judge(inOrder(this.#facts));
  }

  #follow({ at, run, id, report }: Fact): void {
    if (report.kind === 'releasing') {
      const { shard } = report;
      const release = { at, run, id, shard, epoch: this.#owners.get(shard)?.epoch ?? 0 };
      this.releasing.push(release);
      for (const listener of this.#listeners) listener(release);
    } else if (report.kind === 'exited') {
      for (const [shard, owner] of this.#owners) if (owner.run === run) this.#owners.delete(shard);
    } else if (report.kind === 'event') {
      const { event } = report;
      if (event.type === 'acquired') {
        const { shard, epoch } = event;
        const move = { at, shard, epoch, id, run };
        this.acquired.push(move);
        if ((this.#owners.get(shard)?.epoch ?? 0) < epoch) this.#owners.set(shard, move);
      } else if (event.type === 'released' || event.type === 'lost') {
        if (this.#owners.get(event.shard)?.run === run) this.#owners.delete(event.shard);
      }
    }
  }
}

type Step =
  | { readonly at: number; readonly run: number; readonly id: string; readonly what: Plain }
  | {
      readonly at: number;
      readonly run: number;
      readonly id: string;
      readonly what: 'started' | 'aborted' | 'ended';
      readonly handler: string;
      readonly key: string;
      readonly epoch: number;
    };
type Plain = Exclude<Fact['report'], { kind: 'handlers' }>;

function inOrder(facts: readonly Fact[]): Step[] {
  const steps = facts.flatMap<Step>(({ at, run, id, report }) =>
    report.kind === 'handlers'
      ? report.steps.map(([what, number, key, epoch, stepAt]) => ({
          at: stepAt,
          run,
          id,
          what,
          key,
          epoch,
          handler: `${run}:${number}`,
        }))
      : [{ at, run, id, what: report }],
  );
  return steps.sort((a, b) => a.at - b.at);
}

class Judge {
  readonly #problems: string[] = [];
  readonly #oracle: OverlapOracle = createOverlapOracle();
  readonly #shardOf: (key: string) => number;
  readonly #highest = new Map<number, Move>();
  /** The shards for which each process admits work. */
  readonly #admitting = new Map<number, Map<number, ShardOwner>>();
  readonly #running = new Map<number, Set<string>>();
  #acquisitions = 0;

  constructor(shardOf: (key: string) => number) {
    this.#shardOf = shardOf;
  }

  judge(steps: readonly Step[]): Audit {
    for (const step of steps) this.#take(step);
    for (const { kind, at, owners } of this.#oracle.overlaps) {
      const [there, came] = owners.map(({ inc, epoch }) => `${inc} in epoch ${epoch}`);
      this.#problems.push(`${kind}: shard ${owners[0].shard}: ${there}, then ${came} at ${at.toFixed(1)}`);
    }
    const { handlers } = this.#oracle;
    return { problems: this.#problems, acquisitions: this.#acquisitions, handlers };
  }

  #take(step: Step): void {
    if (typeof step.what === 'string') this.#handle(step);
    else this.#report(step, step.what);
  }

  #report({ at, run, id }: Step, report: Plain): void {
    switch (report.kind) {
      case 'releasing':
        this.#endOne(run, report.shard);
        return;
      case 'paused':
        // A stopped process admits nothing, and cannot report it.
        this.#endAll(run);
        this.#oracle.paused(`${run}`);
        return;
      case 'resumed':
        this.#oracle.resumed(`${run}`);
        return;
      case 'exited':
        this.#endAll(run);
        for (const handler of this.#running.get(run) ?? []) this.#oracle.handlerEnded(handler);
        return;
      case 'event': {
        const { event } = report;
        if (event.type === 'acquired') this.#acquire({ at, run, id, ...event });
        else if (event.type === 'lapsed' || event.type === 'fenced') this.#endAll(run);
        else if (event.type === 'released' || event.type === 'lost') this.#endOne(run, event.shard);
        return;
      }
      case 'ready':
      case 'failed':
    }
  }

  #acquire(move: Move): void {
    const { at, run, id, shard, epoch } = move;
    this.#acquisitions++;
    const before = this.#highest.get(shard);
    if (before !== undefined && before.epoch >= epoch) {
      this.#problems.push(`shard ${shard}: ${id} took epoch ${epoch} after ${before.id} had ${before.epoch}`);
    }
    this.#highest.set(shard, move);
    const owner = { shard, nodeId: id, inc: `${run}`, epoch };
    const admitting = this.#admitting.get(run) ?? new Map<number, ShardOwner>();
    this.#admitting.set(run, admitting.set(shard, owner));
    this.#oracle.admitted(owner, at);
  }

  #handle({ at, run, id, what, handler, key, epoch }: Extract<Step, { handler: string }>): void {
    const running = this.#running.get(run) ?? new Set();
    this.#running.set(run, running);
    if (what !== 'started') {
      if (what === 'aborted') this.#oracle.handlerAborted(handler);
      else this.#oracle.handlerEnded(handler);
      running.delete(handler);
      return;
    }
    running.add(handler);
    const shard = this.#shardOf(key);
    const highest = this.#highest.get(shard);
    if (highest !== undefined && epoch < highest.epoch) {
      const late = (at - highest.at).toFixed(1);
      this.#problems.push(
        `shard ${shard}: a handler of ${id} started under epoch ${epoch}, ${late} ms after ${highest.id} took ${highest.epoch}`,
      );
    }
    const owner = { shard, nodeId: id, inc: `${run}`, epoch };
    // Only for an instant: no report says which shards are served again after the lease expired.
    if (this.#admitting.get(run)?.get(shard) === undefined) this.#oracle.admitted(owner, at, at);
    this.#oracle.handlerStarted(owner, handler, at);
  }

  #endOne(run: number, shard: number): void {
    const admitting = this.#admitting.get(run);
    const owner = admitting?.get(shard);
    if (owner === undefined) return;
    admitting?.delete(shard);
    this.#oracle.ended(owner);
  }

  #endAll(run: number): void {
    for (const shard of [...(this.#admitting.get(run)?.keys() ?? [])]) this.#endOne(run, shard);
  }
}
