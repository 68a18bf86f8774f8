/** A durable actor whose state is in a real Postgres. */
import { defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { App } from '@clstr/app';
import { isClstrError, systemClock } from '@clstr/core';
import type { StateStoreContext } from '@clstr/core/store';
import { durableState } from '@clstr/durable';
import { fakeClock } from '@clstr/testing';
import { memoryTransport } from '@clstr/transport-memory';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { postgresStore } from '../src/postgres-store.ts';
import { START_TIMEOUT_MS, hasPostgres, startPostgres } from './postgres-server.ts';
import type { PostgresServer } from './postgres-server.ts';

const Account = defineActor('account', {
  deposit: request<{ cents: number }, number>(),
  balance: request<void, number>({ readonly: true }),
});
const account = Account.implement({
  durable: durableState({ initial: () => ({ cents: 0 }) }),
  handlers: {
    deposit: (state, { cents }) => (state.cents += cents),
    balance: ({ cents }) => cents,
  },
});

describe.skipIf(!hasPostgres())('over Postgres', () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres();
  }, START_TIMEOUT_MS);
  afterAll(() => server.stop());

  const start = (): Promise<App> =>
    createApp({
      transport: () => memoryTransport(),
      store: postgresStore({ connectionString: server.url }),
      actors: [account],
      signals: [],
    });

  test('an account keeps its balance when its app is closed and started again', async () => {
    const before = await start();
    expect(await before.ref(Account, 'ada').deposit({ cents: 5 })).toBe(5);
    await before.close();
    const after = await start();
    expect(await after.ref(Account, 'ada').balance()).toBe(5);
    expect(await after.ref(Account, 'bob').balance()).toBe(0);
    await after.close();
  });

  test('an acknowledged deposit is there after a crash of the server, and the app goes on', async () => {
    const app = await start();
    const eve = app.ref(Account, 'eve');
    for (let cents = 1; cents <= 20; cents++) expect(await eve.deposit({ cents: 1 })).toBe(cents);
    await server.crash();
    await untilAnswered(() => eve.deposit({ cents: 1 }));
    expect(await eve.balance()).toBe(21);
    await app.close();
  });

  test('an append that waits for a lock ends in time, and no call waits behind it', async () => {
    const stores = postgresStore({ connectionString: server.url, maxConnections: 1 });
    const store = await stores.open({ ...context(), clock: systemClock });
    const place = { space: 'account', keeps: 'newest', shard: 1, key: 'locked' } as const;
    const record = { bytes: Uint8Array.of(1), isWhole: true };
    const appended = await store.append(place, 0, record, 10_000);
    expect(appended.kind).toBe('acked');
    const operator = new Client({ connectionString: server.url });
    await operator.connect();
    await operator.query("BEGIN; SELECT FROM clstr_log WHERE key = 'locked' FOR UPDATE");
    const { revision } = await store.load(place, 10_000);
    expect(await store.append(place, revision, record, 100)).toEqual({ kind: 'unknown' });
    expect(await store.load(place, 10_000)).toMatchObject({ revision });
    await operator.end();
    await store.close();
  });

  test.each([
    ['CONNECT_FAILED', () => 'postgres://clstr@127.0.0.1:1/postgres'],
    ['STORE_REFUSED', () => server.url.replace(/postgres$/, 'nothing')],
    ['AUTH_FAILED', () => server.url.replace('clstr@', 'nobody@')],
  ])('fails to open as %s', async (code, connectionString) => {
    const store = postgresStore({ connectionString: connectionString() });
    await expect(store.open(context())).rejects.toMatchObject({ name: 'ClstrError', code });
  });

  test('fails to open as NO_PERMISSION where it may not make its tables', async () => {
    const operator = new Client({ connectionString: server.url });
    await operator.connect();
    await operator.query('CREATE DATABASE bare');
    await operator.query('CREATE USER guest');
    await operator.end();
    const store = postgresStore({ connectionString: `postgres://guest@127.0.0.1:${server.port}/bare` });
    await expect(store.open(context())).rejects.toMatchObject({ code: 'NO_PERMISSION' });
  });
});

function context(): StateStoreContext {
  const clock = fakeClock();
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  return { cluster: 'clstr', service: 'default', transport: memoryTransport(), clock, logger };
}

/** Repeats a call that certainly did not run. */
async function untilAnswered<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!isClstrError(error) || error.outcome !== 'not-executed') throw error;
    }
  }
}
