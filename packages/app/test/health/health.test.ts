/** Each reason of an app's health, on a cluster in memory. */
import { ClstrError } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { memoryMembership, memoryTransport } from '@clstr/transport-memory';
import { describe, expect, test } from 'vitest';
import type { Clock, Transport } from '@clstr/core';
import type { Health } from '../../src/health/health.ts';
import { breakerReasons } from '../../src/health/breaker-health.ts';
import { HEALTH_REASONS } from '../../src/health/reasons.ts';
import { Greeter } from '../greeter.ts';
import { NUM_SHARDS, codesOf, place, timing } from './setting.ts';

const { heartbeatMs, ackTimeoutMs, leaseMs, guardMs, expiryMs } = timing;
/** How long a node waits for its own probes: docs/protocol/membership.md. */
const SILENCE_MS = 0.75 * leaseMs;

test('an app that serves is ready, and has no reasons', async () => {
  const { start } = place();
  const app = await start('n1').app();
  const health = app.health();
  expect(health).toMatchObject({ isReady: true, isLive: true, state: 'serving', connection: 'connected' });
  expect(health.reasons).toEqual([]);
  expect(health.nodes).toEqual([
    {
      id: 'n1',
      service: 'default',
      state: 'serving',
      reach: 'reached',
      owned: NUM_SHARDS,
      wanted: NUM_SHARDS,
      unowned: 0,
      leaseMarginMs: expect.any(Number) as number,
      isStoreAnswering: true,
      inFlight: 0,
      waiting: 0,
      isShedding: false,
      stuck: 0,
    },
  ]);
  expect(health.nodes[0]!.leaseMarginMs).toBeGreaterThan(leaseMs - guardMs - 2 * heartbeatMs);
  expect(JSON.parse(JSON.stringify(health))).toEqual(health);
});

test('an app of a static cluster has no lease and no store', async () => {
  const { start } = place();
  const app = await start('n1', { membership: undefined }).app();
  const health = app.health();
  expect([health.isReady, codesOf(health)]).toEqual([true, []]);
  expect(health.nodes[0]).not.toHaveProperty('leaseMarginMs');
  expect(health.nodes[0]).not.toHaveProperty('isStoreAnswering');
});

describe('while it starts', () => {
  test('says how long it has waited for its connection, and is live', async () => {
    const { clock, start } = place();
    const made = deferred<Transport>();
    const { health } = start('n1', { transport: () => made.promise });
    await clock.advance(1_500);
    expect(health()).toMatchObject({ isReady: false, isLive: true, state: 'connecting', nodes: [] });
    expect(health()).not.toHaveProperty('connection');
    expect(textOf(health(), 'STARTING')).toMatch(/^the app has been waiting for a connection for 1500 ms\./);
    made.reject(new ClstrError('CONNECT_FAILED', 'no server at nats://10.0.0.7:4222'));
    await clock.advance(0);
    expect(health()).toMatchObject({ isReady: false, isLive: false, state: 'failed' });
    expect(codesOf(health())).toEqual(['START_FAILED']);
    expect(textOf(health(), 'START_FAILED')).toContain('CONNECT_FAILED: no server at nats://10.0.0.7:4222');
  });

  test('says to which servers, and at which of them the store is, if its cluster knows', async () => {
    const { clock, store, start } = place();
    const [made, opened] = [deferred<Transport>(), deferred<never>()];
    const cluster = {
      name: 'c',
      address: 'nats://10.0.0.7:4222',
      numShards: undefined,
      seed: undefined,
      logger: undefined,
      connect: () => made.promise,
      membership: () => ({ ...memoryMembership({ store, clock }), open: () => opened.promise }),
    };
    const alone = { transport: undefined, membership: undefined, numShards: undefined, cluster };
    const { health } = start('n1', alone);
    await clock.advance(500);
    expect(textOf(health(), 'STARTING')).toMatch(
      /^the app has been waiting for a connection to nats:\/\/10\.0\.0\.7:4222 for 500 ms\./,
    );
    made.resolve(memoryTransport());
    await clock.advance(250);
    expect(textOf(health(), 'STARTING')).toMatch(
      /^the app has been waiting for the membership store at nats:\/\/10\.0\.0\.7:4222 for 750 ms\./,
    );
    opened.reject(new ClstrError('CONNECT_FAILED', 'gone'));
    await clock.advance(0);
    expect(health().state).toBe('failed');
  });

  test('says which node joins, and why the store keeps it waiting', async () => {
    const { clock, unanswered, start } = place();
    unanswered.add('n1');
    const starting = start('n1');
    await clock.advance(3 * ackTimeoutMs);
    expect(starting.health()).toMatchObject({ isReady: false, isLive: true, state: 'joining' });
    expect(codesOf(starting.health())).toEqual(['STARTING']);
    expect(textOf(starting.health(), 'STARTING')).toMatch(
      /^node n1 has been starting for 750 ms: the membership store does not answer: it was asked to read cfg\./,
    );
    unanswered.clear();
    await starting.app();
  });

  test('is not ready before every shard has an owner, and says how many have none', async () => {
    const { clock, start } = place();
    const { health, app } = start('n1');
    await clock.advance(40);
    expect(health()).toMatchObject({ isReady: false, state: 'joining', nodes: [{ state: 'serving' }] });
    expect(textOf(health(), 'STARTING')).toMatch(
      /^node n1 has joined, and waits for the owners of 16 of 16 shards\./,
    );
    await app();
    expect(health().isReady).toBe(true);
  });

  test('shows nothing of an error that is not its own', async () => {
    const { clock, start } = place();
    const { health } = start('n1', {
      transport: () => Promise.reject(new Error('postgres://user:secret@db')),
    });
    await clock.advance(0);
    expect(health().state).toBe('failed');
    expect(JSON.stringify(health())).not.toContain('secret');
  });
});

describe('is not ready', () => {
  test('while the connection is down: since when, and to which server', async () => {
    const { clock, start } = place();
    const starting = start('n1');
    const app = await starting.app();
    starting.connection.become('disconnected');
    await clock.advance(700);
    expect(app.health()).toMatchObject({ isReady: false, isLive: true, state: 'disconnected' });
    expect(textOf(app.health(), 'CONNECTION_LOST')).toMatch(
      /^the memory connection to nats:\/\/10\.0\.0\.7:4222 was lost 700 ms ago\./,
    );
    starting.connection.become('connected');
    expect(app.health()).toMatchObject({ isReady: true, reasons: [] });
  });

  test('once the lease is over, but only warns before that', async () => {
    const { clock, store, start } = place();
    const app = await start('n1').app();
    store.cut('n1');
    await clock.advance(heartbeatMs);
    const warned = app.health();
    expect([warned.isReady, codesOf(warned)]).toEqual([true, ['STORE_AWAY']]);
    expect(warned.nodes[0]).toMatchObject({ isStoreAnswering: false });
    const { leaseMarginMs } = warned.nodes[0]!;
    expect(textOf(warned, 'STORE_AWAY')).toContain(
      `node n1 is not connected to the membership store; the lease of node n1 lasts for another ${leaseMarginMs} ms.`,
    );
    await clock.advance(leaseMarginMs! + 500);
    const lapsed = app.health();
    expect(lapsed).toMatchObject({ isReady: false, isLive: true, state: 'lapsed' });
    expect(codesOf(lapsed)).toEqual(['LAPSED']);
    expect(textOf(lapsed, 'LAPSED')).toMatch(
      /^node n1 has had no lease for \d+ ms: node n1 is not connected/,
    );
    store.restore('n1');
    await clock.advance(heartbeatMs + ackTimeoutMs);
    expect(app.health()).toMatchObject({ isReady: true, reasons: [] });
  });

  test('for several reasons at once, and the gravest comes first', async () => {
    const { clock, store, start } = place();
    const { connection, ...starting } = start('n1');
    const app = await starting.app();
    connection.become('disconnected');
    store.cut('n1');
    await clock.advance(leaseMs);
    expect([app.health().state, codesOf(app.health())]).toEqual(['lapsed', ['LAPSED', 'CONNECTION_LOST']]);
    connection.become('connected');
  });

  test('while no message reaches its node, of which it warns before', async () => {
    const { clock, silent, start } = place();
    const app = await start('n1').app();
    silent.add('node:n1');
    await clock.advance(SILENCE_MS / 2 + 2 * heartbeatMs);
    expect([app.health().isReady, codesOf(app.health())]).toEqual([true, ['REACH_DOUBTED']]);
    await clock.advance(SILENCE_MS);
    const lost = app.health();
    expect(lost).toMatchObject({ isReady: false, isLive: true, state: 'unreachable' });
    expect(codesOf(lost)).toEqual(['UNREACHABLE']);
    expect(textOf(lost, 'UNREACHABLE')).toMatch(
      /^node n1 has not been reached for \d+ ms: no answer on its own subject/,
    );
  });

  test('while it is fenced, and joins again', async () => {
    const { clock, store, unanswered, start } = place();
    const app = await start('n1').app();
    app.node.onEvent(({ type }) => {
      if (type === 'fenced') unanswered.add('n1');
    });
    store.deleteBucket();
    for (let turns = 0; app.node.state !== 'fenced' && turns < 100; turns++) await clock.advance(20);
    const fenced = app.health();
    expect(fenced).toMatchObject({ isReady: false, isLive: true, state: 'fenced' });
    expect(textOf(fenced, 'FENCED')).toMatch(
      /^node n1 was fenced \d+ ms ago: its heartbeat record is gone\./,
    );
    unanswered.clear();
    await clock.advance(expiryMs + leaseMs);
    expect(app.health()).toMatchObject({ isReady: true, reasons: [] });
  });

  test('from the first moment of its end, while messages are still answered, and not live after it', async () => {
    const { clock, start } = place();
    const { greeter, ...starting } = start('n1');
    const app = await starting.app();
    const answer = app.ref(Greeter, 'busy').wait();
    await clock.advance(0);
    await greeter.waiting.promise;
    const closing = app.close();
    const atOnce = app.health();
    expect(atOnce).toMatchObject({ isReady: false, isLive: true, state: 'draining' });
    await clock.advance(timing.heartbeatMs);
    expect(textOf(app.health(), 'DRAINING')).toMatch(/^the app is closing\./);
    expect(app.health().reasons.map(({ text }) => text)).toContainEqual(
      expect.stringMatching(/^node n1 is draining, with \d+ shards? and 1 message left\./),
    );
    greeter.gate.resolve('done');
    await clock.advance(timing.drainMs);
    await closing;
    expect(await answer).toBe('done');
    expect(app.health()).toMatchObject({ isReady: false, isLive: false, state: 'closed' });
    expect(codesOf(app.health())).toEqual(['CLOSED']);
  });
});

test('is live until everything is closed, also what the program closes last', async () => {
  const { clock, start } = place();
  const database = deferred<undefined>();
  const app = await start('n1', { onClose: () => database.promise }).app();
  const closing = app.close();
  await clock.advance(timing.drainMs);
  expect(app.health()).toMatchObject({ isLive: true, state: 'draining', connection: 'closed' });
  expect(codesOf(app.health())).toEqual(['DRAINING']);
  database.resolve(undefined);
  await closing;
  expect(app.health()).toMatchObject({ isLive: false, state: 'closed' });
});

describe('is not live', () => {
  test('after something else has closed its node', async () => {
    const { clock, start } = place();
    const app = await start('n1').app();
    const closed = app.node.close();
    await clock.advance(timing.drainMs);
    await closed;
    expect(app.health()).toMatchObject({ isReady: false, isLive: false, state: 'closed' });
    expect(textOf(app.health(), 'PART_CLOSED')).toMatch(/^node n1 was closed, but not by the app\./);
  });

  test('after something else has closed its connection', async () => {
    const { clock, start } = place();
    const started = await start('n1').app();
    await started.transport.close();
    await clock.advance(0);
    expect(started.health()).toMatchObject({ isReady: false, isLive: false, state: 'closed' });
    expect(codesOf(started.health())).toContain('PART_CLOSED');
  });
});

describe('warns', () => {
  test('of a handler that does not end, without naming its key', async () => {
    const { clock, start } = place();
    const { greeter, ...starting } = start('n1');
    const app = await starting.app();
    const stuck = app.ref(Greeter, 'ada@example.org').wait({ timeoutMs: 400 } as never);
    stuck.catch(() => undefined);
    const behind = app.ref(Greeter, 'ada@example.org').greet({ name: 'x' });
    behind.catch(() => undefined);
    await clock.advance(0);
    expect(app.health().nodes[0]).toMatchObject({ inFlight: 2, waiting: 1, stuck: 0 });
    await clock.advance(31_000);
    const health = app.health();
    expect([health.isReady, codesOf(health)]).toEqual([true, ['STUCK_HANDLER']]);
    expect(health.nodes[0]).toMatchObject({ stuck: 1, oldestStuck: { type: 'greeter.wait' } });
    expect(textOf(health, 'STUCK_HANDLER')).toMatch(
      /^node n1 has handlers that do not end \(1\): the oldest is "greeter\.wait" on shard \d+, \d+ ms after/,
    );
    expect(JSON.stringify(health)).not.toContain('ada@');
    greeter.gate.resolve('done');
    await clock.advance(0);
    expect(codesOf(app.health())).toEqual([]);
  });

  test('while its node refuses calls to keep the others fast, and is ready all the same', async () => {
    const { clock, start } = place();
    let busyMs = 0;
    const app = await start('n1', {
      membership: undefined,
      clock: { ...clockOf(clock), monoMs: () => clock.monoMs() + busyMs },
      node: {
        shedding: { targetMs: 5, intervalMs: 20 },
        interceptors: [
          (request, _context, next) => {
            busyMs += 10;
            return next(request);
          },
        ],
      },
    }).app();
    const calls = Array.from({ length: 20 }, (_, i) => app.ref(Greeter, `k${i}`).greet({ name: 'x' }));
    const ended = Promise.allSettled(calls);
    await clock.advance(0);
    const refused = (await ended).filter(({ status }) => status === 'rejected');
    expect(refused.length).toBeGreaterThan(10);
    const health = app.health();
    expect([health.isReady, codesOf(health)]).toEqual([true, ['SHEDDING']]);
    expect(health.nodes[0]).toMatchObject({ isShedding: true });
    expect(textOf(health, 'SHEDDING')).toMatch(
      /^node n1 refuses calls, critical ones last, with 0 messages in progress\. What to do: add nodes/,
    );
    await clock.advance(100);
    expect(codesOf(app.health())).toEqual([]);
  });

  test('of a node to which its client sends no calls, which it names, and is ready all the same', async () => {
    const { clock, silent, start } = place();
    const breaker = { minCalls: 5, openMs: 300, windowMs: 1_000 };
    const app = await start('n1', { client: { breaker, route: 'owner' } }).app();
    const other = await start('n2').app();
    await clock.advance(expiryMs);
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    const away = keys.filter((key) => other.node.shards().includes(app.client.shardOf(key))).slice(0, 5);
    const callAll = async (): Promise<PromiseSettledResult<string>[]> => {
      const calls = away.map((key) => app.ref(Greeter, key).whereAreYou(undefined, { timeoutMs: 100 }));
      const ended = Promise.allSettled(calls);
      await clock.advance(120);
      return ended;
    };
    await callAll();
    expect(app.health()).toMatchObject({ reasons: [], openBreakers: [] });
    silent.add('node:n2');
    await callAll();
    const health = app.health();
    expect([health.isReady, health.isLive, codesOf(health)]).toEqual([true, true, ['CIRCUIT_OPEN']]);
    const retryAfterMs = expect.any(Number) as number;
    expect(health.openBreakers).toEqual([{ nodeId: 'n2', service: 'default', retryAfterMs }]);
    expect(textOf(health, 'CIRCUIT_OPEN')).toMatch(
      /^calls to these nodes have failed lately: n2 of the service default \(tried again in \d+ ms\)\. What to do: look/,
    );
    silent.clear();
    await clock.advance(300);
    expect(textOf(app.health(), 'CIRCUIT_OPEN')).toContain('n2 of the service default (tried again now)');
    await callAll();
    expect(app.health()).toMatchObject({ reasons: [], openBreakers: [] });
  });

  test('of shards without an owner after a crash, and of those that it has yet to get', async () => {
    const { clock, store, unanswered, start } = place();
    const app = await start('n1').app();
    await start('n2').app();
    await clock.advance(expiryMs);
    const { owned } = app.health().nodes[0]!;
    expect(owned).toBeLessThan(NUM_SHARDS);
    unanswered.add('n1 s.');
    store.cut('n2');
    await clock.advance(expiryMs + 3 * heartbeatMs);
    const health = app.health();
    expect(health.isReady).toBe(true);
    expect(textOf(health, 'UNOWNED_SHARDS')).toContain(
      `${NUM_SHARDS - owned} of the 16 shards of the service default have no owner that node n1 knows. `,
    );
    expect(textOf(health, 'SHARDS_MISSING')).toContain(
      `node n1 owns ${owned} of the 16 shards that the placement gives it. `,
    );
    unanswered.clear();
    await clock.advance(expiryMs);
    expect(app.health()).toMatchObject({ reasons: [], nodes: [{ owned: NUM_SHARDS }] });
  });

  test('that it is idle when the placement gives it no shard', async () => {
    const { clock, start } = place();
    await start('n1').app();
    const idle = await start('light', { node: { weight: 0.001 } }).app();
    await clock.advance(expiryMs);
    const health = idle.health();
    expect(health.nodes[0]).toMatchObject({ owned: 0, wanted: 0, unowned: 0 });
    expect([health.isReady, codesOf(health)]).toEqual([true, ['NO_SHARDS']]);
    expect(textOf(health, 'NO_SHARDS')).toMatch(
      /^node light owns none of the 16 shards of the service default/,
    );
  });
});

test('a list of many open breakers is cut', () => {
  const open = Array.from({ length: 10 }, (_, i) => ({ nodeId: `n${i}`, service: 'a', retryAfterMs: 0 }));
  const [reason] = breakerReasons(open);
  expect(reason!.text).toMatch(
    /: n0 of the service a .*, n7 of the service a \(tried again now\) and 2 more\. /,
  );
});

test('every reason says what to do, and the gravest comes first', () => {
  const effects = Object.values(HEALTH_REASONS).map(({ effect }) => effect);
  expect(effects).toEqual([...effects].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)));
  for (const info of Object.values(HEALTH_REASONS)) {
    expect(Object.isFrozen(info)).toBe(true);
    expect(`${info.meaning}${info.action}`).toMatch(/^[a-z].*[^.]$/);
  }
});

const ORDER = ['not-live', 'not-ready', 'warning'];

function textOf({ reasons }: Health, code: string): string {
  return reasons.find((reason) => reason.code === code)?.text ?? `no ${code}`;
}

/** Its methods without their object. */
function clockOf(clock: Clock): Clock {
  return {
    monoMs: () => clock.monoMs(),
    wallMs: () => clock.wallMs(),
    timer: (fn, delayMs) => clock.timer(fn, delayMs),
    macrotask: (fn) => {
      clock.macrotask(fn);
    },
  };
}
