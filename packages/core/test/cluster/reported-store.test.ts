import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { ReportedStore } from '../../src/cluster/reported-store.ts';
import { recordLog } from '@clstr/testing/internal';
import { Bucket, FULL, TestStore } from './bucket.ts';
import { skewedClock } from './skewed-clock.ts';

const TIMEOUT_MS = 250;

function start({ isAwaited = false } = {}) {
  const clock = skewedClock();
  const bucket = new Bucket();
  const inner = new TestStore(bucket, clock);
  const logger = recordLog();
  const store = new ReportedStore(inner, { who: 'node a', fields: { nodeId: 'a' }, clock, logger });
  store.isAwaited = isAwaited;
  const lines = () => logger.lines.map(({ level, message }) => `${level}: ${message}`);
  const answered = async (promise: Promise<unknown>) => {
    const end = promise.catch((error: unknown) => error);
    await clock.advance(TIMEOUT_MS);
    return end;
  };
  return { clock, bucket, inner, store, logger, lines, answered };
}

describe('a reported store', () => {
  test('passes on the answers of the store, and logs nothing', async () => {
    const { store, bucket, lines, inner } = start();
    expect(await store.cas('k', 0, 'v', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 1 });
    expect(await store.cas('k', 0, 'v', TIMEOUT_MS)).toEqual({ kind: 'lost' });
    expect(await store.read('k', TIMEOUT_MS)).toEqual(bucket.get('k'));
    expect(await store.list(TIMEOUT_MS)).toEqual([bucket.get('k')]);
    const told: unknown[] = [];
    const watch = store.watch('k', { onEntry: (entry) => told.push(entry), onGap: () => told.push('gap') });
    await Promise.resolve();
    inner.gap();
    expect(told).toEqual([bucket.get('k'), 'gap', bucket.get('k')]);
    watch.close();
    expect(inner.watched).toEqual([]);
    await store.close();
    expect(inner.isClosed).toBe(true);
    expect(inner.listenerCount).toBe(0);
    expect(lines()).toEqual([]);
  });

  test('logs a refused write at once, with the reason, and equal ones rarely with a count', async () => {
    const { store, inner, logger, clock } = start();
    inner.effect = () => ({ refusal: FULL });
    for (let i = 0; i < 108; i++) {
      expect(await store.cas(`h.${i}`, 0, 'v', TIMEOUT_MS)).toEqual({ kind: 'unknown', refusal: FULL });
      await clock.advance(23_000 / 108);
    }
    expect(logger.lines).toEqual([
      {
        level: 'warn',
        fields: { event: 'store.refuses', nodeId: 'a', err: FULL },
        message: 'the membership store of node a refuses to write h.0: the account is full',
      },
      {
        level: 'warn',
        fields: { event: 'store.refuses', nodeId: 'a', err: FULL, times: 47 },
        message:
          'the membership store of node a refuses to write h.47: the account is full (47 times in 10 s)',
      },
    ]);
  });

  test('logs that a node which cannot go on waits for the store', async () => {
    const { store, inner, lines } = start({ isAwaited: true });
    inner.effect = () => ({ refusal: FULL });
    await expect(store.read('cfg', TIMEOUT_MS)).rejects.toBe(FULL);
    await expect(store.list(TIMEOUT_MS)).rejects.toBe(FULL);
    expect(lines()).toEqual([
      'warn: node a waits for the membership store, which refuses to read cfg: the account is full',
      'warn: node a waits for the membership store, which refuses to list all keys: the account is full',
    ]);
  });

  test('takes what another store throws for a refusal', async () => {
    const { store, inner, lines } = start();
    inner.read = () => Promise.reject(new Error('disk on fire'));
    await expect(store.read('cfg', TIMEOUT_MS)).rejects.toThrow('disk on fire');
    expect(lines()).toEqual([
      'warn: the membership store of node a refuses to read cfg: Error: disk on fire',
    ]);
  });

  test('logs a refused watch, and one that broke off for another reason, each under its own pattern', async () => {
    const { store, inner, lines } = start();
    for (const pattern of ['m.*', 's.*'])
      store.watch(pattern, { onEntry: () => undefined, onGap: () => undefined });
    inner.gap(FULL);
    inner.gap(new ClstrError('TIMEOUT', 'the server was silent for 901 ms'));
    inner.gap();
    expect(lines()).toEqual([
      'warn: the membership store of node a refuses to watch m.*: the account is full',
      'warn: the membership store of node a broke off the watch of m.*: the server was silent for 901 ms',
    ]);
  });

  test('logs silence once it has lasted for two answers, and its end', async () => {
    const { store, inner, lines, answered, clock } = start();
    inner.effect = () => 'lost';
    await answered(store.cas('h.a', 0, 'v', TIMEOUT_MS));
    expect(lines()).toEqual([]);
    await answered(store.read('h.a', TIMEOUT_MS));
    await answered(store.read('h.a', TIMEOUT_MS));
    expect(lines()).toEqual([
      'warn: the membership store of node a does not answer: it was asked to read h.a',
    ]);
    inner.effect = () => undefined;
    await clock.advance(1_000);
    await store.read('h.a', TIMEOUT_MS);
    await store.read('h.a', TIMEOUT_MS);
    expect(lines().slice(1)).toEqual(['info: the membership store answers node a again after 1500 ms']);
  });

  test('logs nothing when a single answer is missing', async () => {
    const { store, inner, lines, answered } = start();
    inner.effect = () => 'lost';
    await Promise.all([1, 2, 3].map(() => answered(store.read('h.a', TIMEOUT_MS))));
    inner.effect = () => undefined;
    await store.read('h.a', TIMEOUT_MS);
    inner.effect = () => 'lost';
    await answered(store.read('h.a', TIMEOUT_MS));
    expect(lines()).toEqual([]);
  });

  test('logs the end of the connection and its return once each, and nothing in between', async () => {
    const { store, inner, lines, answered, clock } = start();
    inner.become(false);
    for (let i = 0; i < 3; i++) await answered(store.read('h.a', TIMEOUT_MS));
    await clock.advance(250);
    inner.become(true);
    expect(lines()).toEqual([
      'warn: node a lost its connection to the membership store',
      'info: node a is connected to the membership store again after 1000 ms',
    ]);
  });

  test('logs a connection that comes and goes each second rarely', async () => {
    const { inner, logger, clock } = start();
    for (let second = 0; second < 23; second++) {
      inner.become(false);
      await clock.advance(500);
      inner.become(true);
      await clock.advance(500);
    }
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn', 'info', 'warn', 'info']);
  });

  test('logs that a node waits for a store that is not connected', async () => {
    const { store, inner, lines, answered } = start({ isAwaited: true });
    inner.become(false);
    await answered(store.read('cfg', TIMEOUT_MS));
    await answered(store.read('cfg', TIMEOUT_MS));
    expect(lines().slice(1)).toEqual([
      'warn: node a waits for the membership store, which is not connected: it was asked to read cfg',
    ]);
  });

  test('knows what went wrong since the last acknowledged write', async () => {
    const { store, inner } = start();
    expect(store.trouble).toBeUndefined();
    inner.effect = () => ({ refusal: FULL });
    await store.cas('h.a', 0, 'v', TIMEOUT_MS);
    expect(store.trouble).toBe('the membership store refuses to write h.a: the account is full');
    inner.effect = () => undefined;
    await store.cas('h.a', 0, 'v', TIMEOUT_MS);
    expect(store.trouble).toBeUndefined();
    inner.become(false);
    expect(store.trouble).toBe('node a is not connected to the membership store');
  });
});
