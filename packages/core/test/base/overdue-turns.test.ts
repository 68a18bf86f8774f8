import { OverdueTurns } from '@clstr/core/handler';
import type { WatchedTurn } from '@clstr/core/handler';
import { fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { expect, test } from 'vitest';

function overdueTurns() {
  const clock = fakeClock();
  const logger = recordLog();
  return { clock, lines: logger.lines, turns: new OverdueTurns(clock, logger) };
}

const turn = (key: string, sinceMs = 0): WatchedTurn => ({ type: 'a.hang', key, shard: 3, sinceMs });

test('a turn that ends within 100 ms of its time is neither listed nor logged', async () => {
  const { clock, lines, turns } = overdueTurns();
  const prompt = turn('k');
  turns.watch(prompt, 1_000);
  await clock.advance(1_099);
  turns.ended(prompt);
  await clock.advance(10_000);
  expect([turns.list(), lines, clock.timerCount]).toEqual([[], [], 0]);
});

test('a turn that never ends is listed, logged once, and then ever more rarely', async () => {
  const { clock, lines, turns } = overdueTurns();
  turns.watch(turn('k'), 1_000);
  await clock.advance(1_100);
  expect(turns.list()).toEqual([{ type: 'a.hang', key: 'k', shard: 3, ageMs: 1_100 }]);
  expect(lines).toMatchObject([
    {
      level: 'warn',
      fields: { type: 'a.hang', key: 'k', shard: 3, ageMs: 1_100, others: 0 },
      message: '"a.hang" for key "k" (shard 3) has not ended after 1100 ms, and its time is over',
    },
  ]);
  await clock.advance(10 * 60_000);
  expect(lines).toHaveLength(4);
  expect(turns.list()).toMatchObject([{ ageMs: 601_100 }]);
});

test('many at once are one line with their number, the oldest first in the list', async () => {
  const { clock, lines, turns } = overdueTurns();
  for (let i = 0; i < 50; i++) turns.watch(turn(`k${i}`, -i), 1_000 + i);
  await clock.advance(5_000);
  expect(turns.list()).toHaveLength(50);
  expect(turns.list()[0]).toMatchObject({ key: 'k49' });
  expect(lines.length).toBeLessThan(4);
  expect(lines.reduce((sum, { fields }) => sum + 1 + (fields as { others: number }).others, 0)).toBe(50);
});

test('no more than 1,024 are kept, and none after close', async () => {
  const { clock, turns } = overdueTurns();
  for (let i = 0; i < 2_000; i++) turns.watch(turn(`k${i}`), 0);
  await clock.advance(100);
  expect(turns.list()).toHaveLength(1_024);
  turns.close();
  turns.watch(turn('late'), 0);
  expect([turns.list(), clock.timerCount]).toEqual([[], 0]);
});
