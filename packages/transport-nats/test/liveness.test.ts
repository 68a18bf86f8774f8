import { deferred, fakeClock } from '@clstr/testing';
import type { Deferred, FakeClock } from '@clstr/testing';
import type { Clock } from '@clstr/core';
import { beforeEach, describe, expect, test } from 'vitest';
import { watchLiveness } from '../src/liveness.ts';

const PING_MS = 100;

describe('a server that is watched', () => {
  let clock: FakeClock;
  let heard: number;
  let pings: Deferred<undefined>[];
  let silences: number[];

  const watch = (on: Clock = clock): (() => void) =>
    watchLiveness({
      clock: on,
      pingMs: PING_MS,
      heard: () => heard,
      ping: () => {
        pings.push(deferred<undefined>());
        return pings.at(-1)!.promise;
      },
      onSilent: (silentMs) => silences.push(silentMs),
    });
  const answer = (): void => {
    heard += 6;
    pings.at(-1)!.resolve(undefined);
  };

  beforeEach(() => {
    clock = fakeClock();
    [heard, pings, silences] = [0, [], []];
  });

  test('and answers is kept', async () => {
    watch();
    for (let i = 1; i <= 50; i++) {
      await clock.advance(PING_MS);
      expect(pings).toHaveLength(i);
      answer();
    }
    expect(silences).toEqual([]);
  });

  test('counts as silent within two intervals of the moment it went dark, once', async () => {
    watch();
    await clock.advance(PING_MS);
    answer();
    await clock.advance(2 * PING_MS - 1);
    expect(silences).toEqual([]);
    await clock.advance(1);
    expect(silences).toEqual([PING_MS]);
    await clock.advance(10 * PING_MS);
    expect(silences).toHaveLength(1);
    expect(clock.timerCount).toBe(0);
  });

  test('is kept while anything arrives, though its answer waits behind that', async () => {
    watch();
    for (let i = 0; i < 30; i++) {
      await clock.advance(PING_MS);
      heard++;
      if (i % 3 === 2) answer();
    }
    expect(silences).toEqual([]);
  });

  test('that answers no ping is left within four intervals, whatever else arrives', async () => {
    watch();
    for (let i = 0; i < 3; i++) {
      await clock.advance(PING_MS);
      heard++;
    }
    await clock.advance(PING_MS - 1);
    heard++;
    expect(silences).toEqual([]);
    await clock.advance(1);
    expect(silences).toEqual([3 * PING_MS]);
  });

  test('is not blamed for a blocked event loop: the next ping decides', async () => {
    let isBlocked = false;
    const stalled: Clock = {
      wallMs: () => clock.wallMs(),
      macrotask: (fn) => clock.macrotask(fn),
      monoMs: () => clock.monoMs() + (isBlocked ? 10 * PING_MS : 0),
      timer: (fn, delayMs) => clock.timer(fn, delayMs),
    };
    watch(stalled);
    await clock.advance(PING_MS);
    isBlocked = true;
    await clock.advance(PING_MS);
    expect(silences).toEqual([]);
    expect(pings).toHaveLength(2);
    await clock.advance(PING_MS);
    expect(silences).toHaveLength(1);
  });

  test('is read from before it is judged', async () => {
    const reading: Clock = {
      wallMs: () => clock.wallMs(),
      monoMs: () => clock.monoMs(),
      timer: (fn, delayMs) => clock.timer(fn, delayMs),
      // Between a timer and a macrotask the event loop reads what waits in its sockets.
      macrotask: (fn) => {
        clock.macrotask(() => {
          heard++;
          fn();
        });
      },
    };
    watch(reading);
    await clock.advance(3 * PING_MS);
    expect(silences).toEqual([]);
  });

  test('is no longer pinged once the watch has ended, nor when a ping failed', async () => {
    const stop = watch();
    await clock.advance(PING_MS);
    pings[0]!.reject(new Error('closed'));
    stop();
    await clock.advance(10 * PING_MS);
    expect({ pings: pings.length, silences, timers: clock.timerCount }).toEqual({
      pings: 1,
      silences: [],
      timers: 0,
    });
  });
});
