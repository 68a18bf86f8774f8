/** What the conformance suite cannot ask of every store: streams and users as only NATS has them. */
import type { Logger } from '@clstr/core';
import type { ClusterStore } from '@clstr/core/store';
import { CONFIG_KEY } from '@clstr/core/store';
import { silentLogger } from '@clstr/core/internal';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { natsMembership, provisionCluster } from '../src/index.ts';
import type { NatsMembershipOptions } from '../src/index.ts';

const TIMEOUT_MS = 5_000;

describe.skipIf(!hasNatsServer())('a bucket in JetStream', () => {
  let server: NatsServer;
  let nats: NatsConnection;
  let manager: JetStreamManager;
  const stores: ClusterStore[] = [];
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
    nats = await connect({ servers: server.url });
    manager = await nats.jetstreamManager();
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()));
  });

  let clusters = 0;
  const nextCluster = (): string => `bucket-${++clusters}`;

  async function open(options: NatsMembershipOptions): Promise<ClusterStore> {
    const store = await natsMembership({ servers: server.url, ...options }).open();
    stores.push(store);
    return store;
  }

  test('is created once by many clients that try at the same time', async () => {
    for (let round = 0; round < 60; round++) {
      const cluster = nextCluster();
      const makers = await Promise.all(Array.from({ length: 4 }, () => open({ cluster })));
      const outcomes = await Promise.all(
        Array.from({ length: 16 }, (_, i) => makers[i % 4]!.cas(CONFIG_KEY, 0, `by ${i}`, TIMEOUT_MS)),
      );
      const kinds = outcomes.map(({ kind }) => kind).sort();
      expect(kinds).toEqual(['acked', ...Array.from({ length: 15 }, () => 'lost')]);
      await Promise.all(makers.map((store) => store.close()));
    }
  });

  test('shows what tools of NATS write without a header', async () => {
    const cluster = nextCluster();
    const store = await open({ cluster });
    await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS);
    await nats.request(`$KV.${cluster}.h.a`, 'y', { timeout: TIMEOUT_MS });
    expect(await store.read('h.a', TIMEOUT_MS)).toEqual({ key: 'h.a', revision: 2, value: 'y' });
  });

  test('that is full answers unknown, as nobody has won, and says why', async () => {
    const cluster = nextCluster();
    const subjects = [`$KV.${cluster}.>`];
    await manager.streams.add({ name: `KV_${cluster}`, subjects, max_bytes: 100, discard: 'new' as never });
    const store = await open({ cluster });
    expect(await store.cas('h.a', 0, 'x'.repeat(200), TIMEOUT_MS)).toMatchObject({
      kind: 'unknown',
      refusal: {
        code: 'STORE_REFUSED',
        message: `JetStream refuses a write to KV_${cluster}: maximum bytes exceeded`,
      },
    });
    expect(await store.read('h.a', TIMEOUT_MS)).toBeUndefined();
  });

  test('is not created where another stream has its name, and a write gives up in time', async () => {
    const cluster = nextCluster();
    await manager.streams.add({ name: `KV_${cluster}`, subjects: [`elsewhere.${cluster}`] });
    const store = await open({ cluster });
    expect(await store.cas(CONFIG_KEY, 0, 'x', 100)).toEqual({ kind: 'unknown' });
  });

  test('is not created where another stream takes its subjects, and provisioning says so', async () => {
    const cluster = nextCluster();
    const name = `taker-of-${cluster}`;
    await manager.streams.add({ name, subjects: [`$KV.${cluster}.s.*`] });
    const store = await open({ cluster });
    expect(await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS)).toMatchObject({
      kind: 'unknown',
      refusal: { code: 'STORE_REFUSED' },
    });
    await expect(provisionCluster({ servers: server.url, cluster })).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: `JetStream refuses KV_${cluster}: another stream takes its subjects`,
    });
  });

  test('cannot be listed by a user who may not create a consumer', async () => {
    const config = `
      jetstream {}
      authorization { users = [
        { user: all, password: p },
        { user: few, password: p, permissions: { publish: { deny: [ "$JS.API.CONSUMER.>" ] } } },
      ] }`;
    await using own = await startNatsServer({ config });
    const options = { servers: own.url, cluster: 'c', pass: 'p' };
    const [all, few] = [await open({ ...options, user: 'all' }), await open({ ...options, user: 'few' })];
    await all.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS);
    expect(await all.list(TIMEOUT_MS)).toHaveLength(1);
    await expect(few.list(TIMEOUT_MS)).rejects.toMatchObject({ code: 'NO_PERMISSION' });
    await Promise.all([all.close(), few.close()]);
  });

  test('logs what a listener of the connection throws, and calls the others', async () => {
    await using own = await startNatsServer({ args: ['-js'] });
    const errors: unknown[] = [];
    const logger: Logger = { ...silentLogger, error: (fields) => errors.push(fields) };
    const store = await open({ servers: own.url, logger });
    const told = deferred<boolean>();
    store.onConnection(() => {
      throw new Error('of a test');
    });
    store.onConnection(told.resolve);
    await own.kill();
    expect(await told.promise).toBe(false);
    expect(errors).toMatchObject([{ err: { message: 'of a test' } }]);
    await store.close();
  });

  test('is watched no longer by a listener that closes its watch when it gets a gap', async () => {
    await using own = await startNatsServer({ args: ['-js'] });
    const store = await open({ servers: own.url, timing: 'fast' });
    await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS);
    const [first, gap] = [deferred(), deferred()];
    const heard: string[] = [];
    const watch = store.watch(CONFIG_KEY, {
      onEntry: ({ value }) => {
        heard.push(value!);
        first.resolve();
      },
      onGap: () => {
        watch.close();
        gap.resolve();
      },
    });
    await first.promise;
    await own.restart();
    await gap.promise;
    const again = deferred();
    const other = store.watch(CONFIG_KEY, {
      onEntry: ({ value }) => {
        if (value === 'y') again.resolve();
      },
      onGap: () => undefined,
    });
    expect(await store.cas(CONFIG_KEY, 1, 'y', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 2 });
    await again.promise;
    expect(heard).toEqual(['x']);
    other.close();
    await store.close();
  });
});
