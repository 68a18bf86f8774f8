/** Membership over a real nats-server: who may open it, what is refused, and how it comes back. */
import type { ClusterStore, StoreEntry } from '@clstr/core/store';
import { TIMINGS } from '@clstr/core';
import { CONFIG_KEY } from '@clstr/core/store';
import { silentLogger } from '@clstr/core/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { startTcpProxy } from '@clstr/testing';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership, provisionCluster } from '@clstr/transport-nats';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection, StreamConfig } from 'nats';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

const TIMEOUT_MS = 5_000;

describe.skipIf(!hasNatsServer())('membership over nats-server', () => {
  let server: NatsServer;
  let nats: NatsConnection;
  let manager: JetStreamManager;
  let isReplicationSafe: boolean;
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
    nats = await connect({ servers: server.url });
    manager = await nats.jetstreamManager();
    const [major = 0, minor = 0] = (nats.info?.version ?? '').split('.').map(Number);
    isReplicationSafe = major > 2 || minor >= 11;
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });

  let clusters = 0;
  const nextCluster = (): string => `cluster-${++clusters}`;

  describe('opening it', () => {
    test('fails as CONNECT_FAILED when no server is there, or one without JetStream', async () => {
      const nowhere = natsMembership({ servers: '127.0.0.1:1', timing: 'fast' }).open();
      await expect(nowhere).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
      await using plain = await startNatsServer();
      const without = natsMembership({ servers: plain.url }).open();
      await expect(without).rejects.toMatchObject({
        code: 'CONNECT_FAILED',
        message: expect.stringMatching(/^JetStream of .*127\.0\.0\.1:\d+ does not answer.*-js/),
      });
    });

    test('fails as AUTH_FAILED with a wrong password, without showing it', async () => {
      await using own = await startNatsServer({ args: ['-js', '--user', 'u', '--pass', 'p'] });
      const { host, port } = own;
      const wrong = natsMembership({ servers: `nats://u:secret@${host}:${port}` }).open();
      await expect(wrong).rejects.toMatchObject({
        code: 'AUTH_FAILED',
        message: expect.not.stringContaining('secret'),
      });
      const store = await natsMembership({ servers: `${host}:${port}`, user: 'u', pass: 'p' }).open();
      expect(store.isConnected).toBe(true);
      await store.close();
    });

    test('needs no more than these permissions, and fails as NO_PERMISSION without them', async () => {
      const config = `
        jetstream {}
        authorization { users = [
          { user: node, password: p, permissions: {
            publish: [ "$KV.c.>", "$JS.API.STREAM.CREATE.KV_c", "$JS.API.STREAM.INFO.KV_c",
              "$JS.API.STREAM.MSG.GET.KV_c", "$JS.API.CONSUMER.CREATE.KV_c", "$JS.API.CONSUMER.DELETE.KV_c.>", "$JS.FC.>" ],
            subscribe: [ "my.inbox.>" ] } },
          { user: stranger, password: p, permissions: { publish: [ "other" ], subscribe: [ "_INBOX.>" ] } },
        ] }`;
      await using own = await startNatsServer({ config });
      const options = { servers: own.url, user: 'node', pass: 'p', cluster: 'c', inboxPrefix: 'my.inbox' };
      const store = await natsMembership(options).open();
      expect(await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 1 });
      expect(await store.read(CONFIG_KEY, TIMEOUT_MS)).toMatchObject({ value: 'x' });
      expect(await store.list(TIMEOUT_MS)).toHaveLength(1);
      await nextEntry(store, CONFIG_KEY);
      await store.close();
      const stranger = natsMembership({ ...options, user: 'stranger', inboxPrefix: '_INBOX' }).open();
      await expect(stranger).rejects.toMatchObject({ code: 'NO_PERMISSION' });
    });
  });

  describe('several replicas on a server below 2.11', () => {
    test('are refused, naming the version and what to do', async (context) => {
      context.skip(isReplicationSafe, 'this server may be trusted with replicas');
      const refusal = {
        code: 'UNSUPPORTED_VERSION',
        message: expect.stringMatching(
          /^nats-server 2\.\d+\.\d+ .* 3 replicas: upgrade to 2\.11 .*allowUnsafeServer$/,
        ),
      };
      const options = { servers: server.url, cluster: nextCluster(), replicas: 3 };
      await expect(natsMembership(options).open()).rejects.toMatchObject(refusal);
      await expect(provisionCluster(options)).rejects.toMatchObject(refusal);
    });

    test('are accepted with allowUnsafeServer', async () => {
      const options = { servers: server.url, cluster: nextCluster(), replicas: 3, allowUnsafeServer: true };
      const store = await natsMembership(options).open();
      // One server cannot hold three replicas: it refuses the bucket, which is not made smaller behind one's back.
      expect(await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS)).toMatchObject({
        kind: 'unknown',
        refusal: { code: 'STORE_REFUSED' },
      });
      expect(await store.read(CONFIG_KEY, TIMEOUT_MS)).toBeUndefined();
      await store.close();
    });
  });

  describe('provisionCluster', () => {
    test('creates the bucket, once or twice, and a node finds it', async () => {
      const cluster = nextCluster();
      const options = { servers: server.url, cluster, storage: 'memory' } as const;
      await provisionCluster(options);
      await provisionCluster(options);
      expect((await manager.streams.info(`KV_${cluster}`)).config.storage).toBe('memory');
      const store = await natsMembership({ servers: server.url, cluster }).open();
      expect(await store.cas('h.a', 0, 'x', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 1 });
      expect(await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 2 });
      await store.close();
    });

    test('fails as CLUSTER_CONFIG_MISMATCH when it exists in another shape', async () => {
      const options = { servers: server.url, cluster: nextCluster() };
      await provisionCluster(options);
      await expect(provisionCluster({ ...options, storage: 'memory' })).rejects.toMatchObject({
        code: 'CLUSTER_CONFIG_MISMATCH',
        message: expect.stringMatching(/"storage":"file".*not as .*"storage":"memory"/),
      });
    });
  });

  describe('a bucket that another program has created or changed', () => {
    const made = async (more: Partial<StreamConfig>): Promise<string> => {
      const cluster = nextCluster();
      const subjects = [`$KV.${cluster}.>`];
      await manager.streams.add({
        name: `KV_${cluster}`,
        subjects,
        max_msgs_per_subject: 1,
        deny_purge: true,
        ...more,
      });
      return cluster;
    };
    const warned: string[] = [];
    const logger = { ...silentLogger, warn: (_fields: object, message = '') => void warned.push(message) };
    beforeEach(() => {
      warned.length = 0;
    });

    test('is refused by nodes and provisioning while it takes records from elsewhere', async () => {
      await manager.streams.add({ name: 'ORDERS', subjects: ['orders.>'] });
      const cluster = await made({ sources: [{ name: 'ORDERS' }] });
      const options = { servers: server.url, cluster };
      const refusal = {
        code: 'CLUSTER_CONFIG_MISMATCH',
        details: { inflows: ['sources'] },
        message: expect.stringMatching(`^KV_${cluster} takes records that no member wrote \\(sources\\)`),
      };
      await expect(natsMembership(options).open()).rejects.toMatchObject(refusal);
      await expect(provisionCluster(options)).rejects.toMatchObject(refusal);
      const mirror = nextCluster();
      await manager.streams.add({ name: `KV_${mirror}`, mirror: { name: 'ORDERS' } });
      await expect(natsMembership({ ...options, cluster: mirror }).open()).rejects.toMatchObject({
        details: { inflows: ['mirror'] },
      });
    });

    test('is refused while it takes the messages of shards', async () => {
      const cluster = await made({});
      const name = `KV_${cluster}`;
      await manager.streams.update(name, { subjects: [`$KV.${cluster}.>`, `${cluster}.shard.*`] });
      await expect(natsMembership({ servers: server.url, cluster }).open()).rejects.toMatchObject({
        details: { inflows: [`"${cluster}.shard.*"`] },
      });
    });

    test('is reported when one write could empty it, and provisioning fixes it', async () => {
      const cluster = await made({ allow_rollup_hdrs: true, deny_purge: false });
      const options = { servers: server.url, cluster, logger };
      await (await natsMembership(options).open()).close();
      expect(warned).toEqual([
        `KV_${cluster} can be emptied by one write: run provisionCluster, which forbids roll-ups`,
      ]);
      const before = (await manager.streams.info(`KV_${cluster}`)).config;
      await provisionCluster(options);
      const { config } = await manager.streams.info(`KV_${cluster}`);
      expect(config).toEqual({ ...before, allow_rollup_hdrs: false, deny_purge: true, deny_delete: true });
      await (await natsMembership(options).open()).close();
      expect(warned).toHaveLength(1);
    });

    test('is reported when its records go to other subjects', async () => {
      const cluster = await made({ republish: { src: '>', dest: 'stolen.>' } });
      await (await natsMembership({ servers: server.url, cluster, logger }).open()).close();
      expect(warned).toEqual([expect.stringContaining('republishes its records to other subjects')]);
    });
  });

  test('a bucket may be read and listed while another member is making it', async () => {
    await using own = await startNatsServer({ args: ['-js'] });
    const { pid } = own;
    for (let round = 0; round < 8; round++) {
      const membership = natsMembership({ servers: own.url, cluster: `made-${round}` });
      const stores = await Promise.all(Array.from({ length: 5 }, () => membership.open()));
      const [maker, ...readers] = stores;
      const asking = readers.map(async (store) => {
        const found = (): Promise<unknown>[] => [
          ...Array.from({ length: 20 }, () => store.read(CONFIG_KEY, TIMEOUT_MS)),
          ...Array.from({ length: 5 }, async () => (await store.list(TIMEOUT_MS))[0]),
        ];
        let answers: unknown[];
        do answers = await Promise.all(found());
        while (!answers.every((answer) => answer !== undefined));
      });
      const [outcome] = await Promise.all([maker!.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS), ...asking]);
      expect(outcome).toEqual({ kind: 'acked', revision: 1 });
      await Promise.all(stores.map((store) => store.close()));
    }
    // nats-server 2.9.10 is gone when it is asked for a message, or for the keys, at the wrong moment.
    expect(own.pid).toBe(pid);
  });

  test('notices a black hole by its pings, and comes back when it ends', async () => {
    await using proxy = await startTcpProxy({ port: server.port });
    const servers = `127.0.0.1:${proxy.port}`;
    const store = await natsMembership({ servers, cluster: nextCluster(), timing: 'fast' }).open();
    const down = nextConnection(store, false);
    proxy.setMode({ kind: 'black-hole' });
    await down;
    expect(proxy.bytesSwallowed).toBeGreaterThan(0);
    const up = nextConnection(store, true);
    proxy.setMode({ kind: 'pass' });
    await up;
    expect(await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 1 });
    await store.close();
  });

  test('builds its connection anew after a lease, even when the wall clock has gone back', async () => {
    await using own = await startNatsServer({ args: ['-js'] });
    const store = await natsMembership({ servers: own.url, timing: 'fast' }).open();
    const heard: StoreEntry[] = [];
    store.watch('h.*', { onEntry: (entry) => heard.push(entry), onGap: () => undefined });
    const down = nextConnection(store, false);
    const up = nextConnection(store, true);
    const anHourAgo = Date.now() - 3_600_000;
    vi.spyOn(Date, 'now').mockImplementation(() => anHourAgo);
    try {
      await own.kill();
      await down;
      await own.restart();
      // The NATS client alone would wait for an hour: until the wall clock is where it was.
      await up;
    } finally {
      vi.restoreAllMocks();
    }
    expect(await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 1 });
    await store.cas('h.a', 0, 'x', TIMEOUT_MS);
    await nextEntry(store, 'h.a');
    await store.close();
  });

  test('goes on watching in a bucket that was deleted and re-created, after reporting the gap', async () => {
    const cluster = nextCluster();
    const store = await natsMembership({ servers: server.url, cluster, timing: 'fast' }).open();
    await store.cas(CONFIG_KEY, 0, 'one', TIMEOUT_MS);
    const told: string[] = [];
    const second = new Promise<void>((resolve) => {
      store.watch(CONFIG_KEY, {
        onEntry({ value }) {
          told.push(value ?? '');
          if (value === 'two') resolve();
        },
        onGap: () => told.push('gap'),
      });
    });
    await nextEntry(store, CONFIG_KEY);
    await manager.streams.delete(`KV_${cluster}`);
    expect(await store.cas(CONFIG_KEY, 0, 'two', TIMEOUT_MS)).toEqual({ kind: 'acked', revision: 1 });
    await second;
    expect(told.filter((text, i) => text !== told[i - 1])).toEqual(['one', 'gap', 'two']);
    await store.close();
  });

  test('acknowledges nearly all heartbeats well within the time that the fast profile waits', async () => {
    const store = await natsMembership({ servers: server.url, cluster: nextCluster() }).open();
    await store.cas(CONFIG_KEY, 0, 'x', TIMEOUT_MS);
    const beat = 'x'.repeat(120);
    const tookMs: number[] = [];
    let revision = 0;
    for (let i = 0; i < 200; i++) {
      const sentMs = performance.now();
      const outcome = await store.cas('h.a', revision, beat + String(i), TIMEOUT_MS);
      tookMs.push(performance.now() - sentMs);
      if (outcome.kind === 'acked') ({ revision } = outcome);
    }
    expect(revision).toBe(201);
    expect(tookMs.sort((a, b) => a - b)[190]).toBeLessThan(TIMINGS.fast.ackTimeoutMs);
    await store.close();
  });
});

function nextConnection(store: ClusterStore, wanted: boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.onConnection((isConnected) => {
      if (isConnected !== wanted) return;
      stop();
      resolve();
    });
  });
}

/** Resolves when a watch of its own tells of the key. */
function nextEntry(store: ClusterStore, key: string): Promise<void> {
  return new Promise((resolve) => {
    const watch = store.watch(key, {
      onEntry() {
        watch.close();
        resolve();
      },
      onGap: () => undefined,
    });
  });
}
