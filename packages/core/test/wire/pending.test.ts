import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nodeAddress } from '../../src/wire/address.ts';
import { PendingAttempt, PendingTable } from '../../src/wire/pending.ts';
import type { NodeAddress, OutboundEntry, ReplySink } from '../../src/wire/transport.ts';

/** Attempts this far apart share a slot. */
const SLOTS = 16_384;
const ANSWERED = 1_024;

function pendingOf(attempt: number, shard = 7): PendingAttempt {
  const entry = { attempt, shard } as OutboundEntry;
  return new PendingAttempt({ shard }, entry, {} as ReplySink);
}

function tableWith(...attempts: number[]): { table: PendingTable<PendingAttempt>; all: PendingAttempt[] } {
  const table = new PendingTable<PendingAttempt>();
  const all = attempts.map((attempt) => pendingOf(attempt));
  for (const pending of all) table.add(pending);
  return { table, all };
}

describe('answer', () => {
  test('gives the attempt once and marks it ended', () => {
    const { table, all } = tableWith(1, 2);
    expect(table.answer(1, undefined)).toBe(all[0]);
    expect(all.map(({ isEnded }) => isEnded)).toEqual([true, false]);
    expect(table.answer(1, undefined)).toBeUndefined();
    expect(table.answer(2, undefined)).toBe(all[1]);
  });

  test('reports a second answer with the shard and its sender', () => {
    const { table } = tableWith();
    const reports: [number, NodeAddress | undefined][] = [];
    table.onDuplicateReply = (shard, from) => reports.push([shard, from]);
    const from = nodeAddress('node-2', 'a')!;
    table.add(pendingOf(5, 33));
    table.answer(5, nodeAddress('node-1', 'a'));
    expect(reports).toEqual([]);
    table.answer(5, from);
    table.answer(5, undefined);
    expect(reports).toEqual([
      [33, from],
      [33, undefined],
    ]);
  });

  test('reports no second answer without a listener', () => {
    const { table } = tableWith(5);
    table.answer(5, undefined);
    expect(table.answer(5, undefined)).toBeUndefined();
  });

  test('does not take an answer that comes after the attempt was given up for a second one', () => {
    const { table } = tableWith(5);
    table.onDuplicateReply = () => expect.unreachable();
    table.remove(5);
    expect(table.answer(5, undefined)).toBeUndefined();
    expect(table.answer(6, undefined)).toBeUndefined();
  });

  test('remembers the 1,024 attempts answered last', () => {
    const { table } = tableWith(...Array.from({ length: ANSWERED + 1 }, (_, i) => i + 1));
    let reports = 0;
    table.onDuplicateReply = () => reports++;
    for (let attempt = 1; attempt <= ANSWERED; attempt++) table.answer(attempt, undefined);
    table.answer(1, undefined);
    expect(reports).toBe(1);
    table.answer(ANSWERED + 1, undefined);
    table.answer(1, undefined);
    expect(reports).toBe(1);
    table.answer(2, undefined);
    expect(reports).toBe(2);
  });

  test.each([NaN, -1, 1.5, Infinity, Number.MAX_SAFE_INTEGER])('knows no attempt %s', (attempt) => {
    const { table } = tableWith(1);
    table.onDuplicateReply = () => expect.unreachable();
    expect(table.answer(attempt, undefined)).toBeUndefined();
    expect(table.remove(attempt)).toBeUndefined();
  });
});

describe('remove', () => {
  test('gives the attempt once and marks it ended', () => {
    const { table, all } = tableWith(1);
    expect(table.remove(1)).toBe(all[0]);
    expect(all[0]!.isEnded).toBe(true);
    expect(table.remove(1)).toBeUndefined();
  });
});

describe('attempts that share a slot', () => {
  test('are all found, whichever comes first', () => {
    const attempts = [1, 1 + SLOTS, 1 + 2 * SLOTS];
    for (const order of [attempts, [...attempts].reverse(), [attempts[1]!, attempts[0]!, attempts[2]!]]) {
      const { table, all } = tableWith(...attempts);
      for (const attempt of order) {
        expect(table.answer(attempt, undefined)).toBe(all[attempts.indexOf(attempt)]);
      }
      expect(table.clear()).toEqual([]);
    }
  });
});

describe('clear', () => {
  test('gives back every attempt, ended, and forgets it', () => {
    const { table, all } = tableWith(1, 2, 1 + SLOTS);
    const cleared = table.clear();
    expect(new Set(cleared)).toEqual(new Set(all));
    expect(cleared).toHaveLength(3);
    expect(all.every(({ isEnded }) => isEnded)).toBe(true);
    expect(table.clear()).toEqual([]);
    expect(table.answer(1, undefined)).toBeUndefined();
  });
});

test('behaves like a map, whatever the order of calls', () => {
  const attempt = fc
    .tuple(fc.nat({ max: 3 }), fc.integer({ min: 1, max: 4 }))
    .map(([turn, i]) => turn * SLOTS + i);
  const steps = fc.array(fc.record({ do: fc.constantFrom('add', 'remove', 'answer'), attempt }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, (schedule) => {
      const { table } = tableWith();
      const model = new Map<number, PendingAttempt>();
      for (const step of schedule) {
        const known = model.get(step.attempt);
        if (step.do === 'add') {
          if (known !== undefined) continue; // attempt ids are never used twice
          const pending = pendingOf(step.attempt);
          model.set(step.attempt, pending);
          table.add(pending);
        } else {
          const found =
            step.do === 'remove' ? table.remove(step.attempt) : table.answer(step.attempt, undefined);
          expect(found).toBe(known);
          if (known !== undefined) expect(known.isEnded).toBe(true);
          model.delete(step.attempt);
        }
      }
      expect(new Set(table.clear())).toEqual(new Set(model.values()));
    }),
  );
});
