import { fakeClock } from '@clstr/testing';
import { expect, test } from 'vitest';
import { EventLoopDelay, eventLoopReasons } from '../../src/health/event-loop.ts';

/** A histogram whose times a test records. */
function start() {
  const clock = fakeClock({ monoMs: 5_000 });
  const calls: string[] = [];
  let ticksMs: number[] = [];
  const histogram = {
    get count() {
      return ticksMs.length;
    },
    get max() {
      return Math.max(0, ...ticksMs) * 1e6;
    },
    reset() {
      ticksMs = [];
    },
    enable: () => calls.push('enable') > 0,
    disable: () => calls.push('disable') > 0,
  };
  const loop = new EventLoopDelay(clock, histogram);
  return { clock, loop, calls, tick: (ms: number) => ticksMs.push(ms) };
}

test('a loop that turns has no delay, and the window grows', async () => {
  const { clock, loop, tick } = start();
  expect(loop.read()).toEqual({ worstMs: 0, overMs: 0 });
  tick(20);
  await clock.advance(10_000);
  expect(loop.read()).toEqual({ worstMs: 0, overMs: 10_000 });
});

test('a pause stays in sight for half a minute at least and a minute at most', async () => {
  const { clock, loop, tick } = start();
  await clock.advance(29_000);
  tick(3_020);
  await clock.advance(1_000);
  expect(loop.read()).toEqual({ worstMs: 3_000, overMs: 30_000 });
  await clock.advance(29_999);
  expect(loop.read()).toEqual({ worstMs: 3_000, overMs: 59_999 });
  await clock.advance(1);
  expect(loop.read()).toEqual({ worstMs: 3_000, overMs: 60_000 });
  expect(loop.read()).toEqual({ worstMs: 0, overMs: 30_000 });
});

test('warns of a second or more, and names the time it covers', () => {
  expect(eventLoopReasons({ worstMs: 999, overMs: 45_000 })).toEqual([]);
  expect(eventLoopReasons({ worstMs: 1_000, overMs: 45_000 })).toMatchObject([
    {
      code: 'SLOW_EVENT_LOOP',
      effect: 'warning',
      text: expect.stringMatching(/^the event loop stood still for 1000 ms within the last 45 s\./) as string,
    },
  ]);
});

test('measures from its start to its end', () => {
  const { loop, calls } = start();
  loop.close();
  expect(calls).toEqual(['enable', 'disable']);
});
