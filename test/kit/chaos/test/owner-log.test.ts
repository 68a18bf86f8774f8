/** The checker of the fault tests is tested itself: it must notice each of these. */
import { describe, expect, test } from 'vitest';
import type { HandlerStep } from '../src/handler-log.ts';
import { OwnerLog } from '../src/owner-log.ts';

const SHARD = 3;
const [A, B] = [0, 1];

class Story {
  readonly ownerLog = new OwnerLog(() => SHARD);

  acquires(run: number, epoch: number, at: number): this {
    return this.#event(run, at, { type: 'acquired', shard: SHARD, epoch });
  }

  leaseTerm(run: number, at: number): this {
    return this.#event(run, at, { type: 'lapsed' });
  }

  handles(run: number, id: number, epoch: number, fromMs: number, toMs: number, abortedMs?: number): this {
    const steps: HandlerStep[] = [['started', id, 'k', epoch, fromMs]];
    if (abortedMs !== undefined) steps.push(['aborted', id, 'k', epoch, abortedMs]);
    steps.push(['ended', id, 'k', epoch, toMs]);
    this.ownerLog.record(toMs, run, name(run), { kind: 'handlers', steps });
    return this;
  }

  happens(kind: 'paused' | 'resumed' | 'exited', run: number, at: number): this {
    this.ownerLog.record(at, run, name(run), { kind });
    return this;
  }

  get problems(): readonly string[] {
    return this.ownerLog.audit().problems;
  }

  #event(run: number, at: number, event: Parameters<typeof eventReport>[1]): this {
    this.ownerLog.record(at, run, name(run), eventReport(at, event));
    return this;
  }
}

function eventReport(
  at: number,
  event: { type: 'acquired'; shard: number; epoch: number } | { type: 'lapsed' },
) {
  return { kind: 'event', at, event } as const;
}

function name(run: number): string {
  return run === A ? 'a' : 'b';
}

describe('the audit of a cluster', () => {
  test('accepts an owner that lapsed before the next one came', () => {
    const story = new Story().acquires(A, 1, 10).handles(A, 1, 1, 11, 20).leaseTerm(A, 30).acquires(B, 2, 40);
    expect(story.handles(B, 1, 2, 41, 50).problems).toEqual([]);
    expect(story.ownerLog.audit()).toMatchObject({ acquisitions: 2, handlers: 2 });
  });

  test('names two owners at one instant', () => {
    expect(new Story().acquires(A, 1, 10).acquires(B, 2, 40).problems).toEqual([
      'two-owners: shard 3: 0 in epoch 1, then 1 in epoch 2 at 40.0',
    ]);
  });

  test('does not count a stopped process as an owner, but counts what it begins when it resumes', () => {
    const story = new Story().acquires(A, 1, 10).happens('paused', A, 20).acquires(B, 2, 40);
    expect(story.happens('resumed', A, 50).problems).toEqual([]);
    expect(story.handles(A, 1, 1, 60, 70).problems).toEqual([
      'shard 3: a handler of a started under epoch 1, 20.0 ms after b took 2',
      expect.stringContaining('two-owners'),
    ]);
  });

  test('names a handler that still runs, not aborted, when one of a later epoch begins', () => {
    const story = (abortedMs?: number): Story =>
      new Story()
        .acquires(A, 1, 10)
        .handles(A, 1, 1, 15, 100, abortedMs)
        .leaseTerm(A, 20)
        .acquires(B, 2, 40)
        .handles(B, 1, 2, 45, 50);
    expect(story(21).problems).toEqual([]);
    expect(story().problems).toEqual([expect.stringContaining('two-epochs')]);
  });

  test('names an epoch that did not rise, even after the previous owner was killed', () => {
    const story = new Story().acquires(A, 4, 10).happens('exited', A, 20);
    expect(story.acquires(B, 4, 40).problems).toEqual(['shard 3: b took epoch 4 after a had 4']);
  });
});
