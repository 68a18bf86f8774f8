/** What membership takes for granted of a NATS server, each as a question to a real one: docs/protocol/store-facts.md. */
import { CONFIG_KEY } from '@clstr/core/store';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership } from '@clstr/transport-nats';
import { connect, headers } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

describe.skipIf(!hasNatsServer())('a nats-server with JetStream', () => {
  let server: NatsServer;
  let nats: NatsConnection;
  let manager: JetStreamManager;
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
    nats = await connect({ servers: server.url });
    manager = await nats.jetstreamManager();
  });
  afterAll(async () => {
    await nats.close();
    await server.stop();
  });

  let clusters = 0;
  /** A new bucket, with `cfg` as revision 1. */
  async function createCluster() {
    const cluster = `facts-${++clusters}`;
    const store = await natsMembership({ servers: server.url, cluster }).open();
    await store.cas(CONFIG_KEY, 0, 'config', 5_000);
    return { cluster, store, stream: `KV_${cluster}` };
  }

  /** The server's own answer to a compare-and-set. */
  async function rawCas(cluster: string, key: string, revision: number, operation?: string) {
    const head = headers();
    head.set('Nats-Expected-Last-Subject-Sequence', String(revision));
    if (operation !== undefined) head.set('KV-Operation', operation);
    const answer = await nats.request(`$KV.${cluster}.${key}`, undefined, { headers: head, timeout: 5_000 });
    return answer.json<{ seq?: number; error?: { err_code: number } }>();
  }

  test('answers a lost compare-and-set with 10071, also over a delete mark at revision 0', async () => {
    const { cluster, store } = await createCluster();
    expect(await rawCas(cluster, 'h.a', 0)).toMatchObject({ seq: 2 });
    expect(await rawCas(cluster, 'h.a', 0)).toMatchObject({ error: { err_code: 10_071 } });
    expect(await rawCas(cluster, 'h.a', 2, 'DEL')).toMatchObject({ seq: 3 });
    expect(await rawCas(cluster, 'h.a', 0)).toMatchObject({ error: { err_code: 10_071 } });
    expect(await rawCas(cluster, 'h.a', 3)).toMatchObject({ seq: 4 });
    await store.close();
  });

  test('never answers 10164 to concurrent writes of one replica: one is acknowledged, all others are lost', async () => {
    const { cluster, store } = await createCluster();
    const codes = new Set<number>();
    let revision = 0;
    for (let round = 0; round < 50; round++) {
      const answers = await Promise.all(Array.from({ length: 16 }, () => rawCas(cluster, 'h.a', revision)));
      for (const { error } of answers) if (error !== undefined) codes.add(error.err_code);
      const winners = answers.flatMap(({ seq = 0 }) => (seq === 0 ? [] : [seq]));
      expect(winners).toHaveLength(1);
      [revision] = winners as [number];
    }
    expect([...codes]).toEqual([10_071]);
    await store.close();
  });

  test('keeps the bucket as it was asked to: no direct reads, one version, on disk, for ever', async () => {
    const { stream, store } = await createCluster();
    const { config } = await manager.streams.info(stream);
    expect(config).toMatchObject({
      allow_direct: false,
      max_msgs_per_subject: 1,
      max_age: 0,
      storage: 'file',
      num_replicas: 1,
      deny_delete: true,
      deny_purge: true,
      allow_rollup_hdrs: false,
    });
    await store.close();
  });

  test('can be read by the key-value tools of NATS', async () => {
    const { cluster, store } = await createCluster();
    const outcome = await store.cas('h.a', 0, 'x', 5_000);
    const bucket = await nats.jetstream().views.kv(cluster);
    expect(await bucket.get('h.a')).toMatchObject({ value: new TextEncoder().encode('x'), revision: 2 });
    await bucket.delete('h.a');
    expect(await store.read('h.a', 5_000)).toEqual({ key: 'h.a', revision: 3, value: undefined });
    expect(outcome).toEqual({ kind: 'acked', revision: 2 });
    const purge = await store.cas('h.a', 3, 'y', 5_000);
    expect(purge).toEqual({ kind: 'acked', revision: 4 });
    await store.close();
  });

  test('refuses every write that deletes others: roll-ups, of one key or of all, and purges', async () => {
    const { cluster, stream, store } = await createCluster();
    await store.cas('h.a', 0, 'x', 5_000);
    const bucket = await nats.jetstream().views.kv(cluster);
    await expect(bucket.purge('h.a')).rejects.toMatchObject({ api_error: { err_code: 10_111 } });
    for (const extent of ['all', 'sub']) {
      const head = headers();
      head.set('Nats-Rollup', extent);
      const answer = await nats.request(`$KV.${cluster}.m.zz`, 'x', { headers: head, timeout: 5_000 });
      expect(answer.json()).toMatchObject({ error: { err_code: 10_111 } });
    }
    await expect(manager.streams.purge(stream)).rejects.toMatchObject({ api_error: { code: 500 } });
    await expect(manager.streams.deleteMessage(stream, 1)).rejects.toMatchObject({
      api_error: { code: 500 },
    });
    expect(await store.list(5_000)).toHaveLength(2);
    await store.close();
  });

  test('tells a subscriber of a consumer nothing when its bucket is deleted, or re-created', async () => {
    const { cluster, stream, store } = await createCluster();
    const told: string[] = [];
    const first = deferred();
    const bucket = await nats.jetstream().views.kv(cluster);
    const watch = await bucket.watch({ key: 'h.*' });
    void (async () => {
      for await (const { key } of watch) {
        told.push(key);
        first.resolve();
      }
      told.push('ended');
    })();
    await store.cas('h.a', 0, 'x', 5_000);
    await first.promise;
    await manager.streams.delete(stream);
    await store.cas(CONFIG_KEY, 0, 'again', 5_000);
    await store.cas('h.a', 0, 'y', 5_000);
    for (let i = 0; i < 20; i++) await nats.flush();
    expect(told).toEqual(['h.a']);
    watch.stop();
    await store.close();
  });

  test('numbers revisions from 1 again in a re-created bucket', async () => {
    const { stream, store } = await createCluster();
    await store.cas('h.a', 0, 'x', 5_000);
    await manager.streams.delete(stream);
    expect(await store.cas(CONFIG_KEY, 0, 'again', 5_000)).toEqual({ kind: 'acked', revision: 1 });
    await store.close();
  });

  test('answers a write to a missing bucket at once, with no responders', async () => {
    const answer = nats.request('$KV.nowhere.h.a', undefined, { timeout: 60_000 });
    await expect(answer).rejects.toMatchObject({ code: '503' });
  });

  test('keeps acknowledged writes when it is killed', async () => {
    const own = await startNatsServer({ args: ['-js'] });
    const store = await natsMembership({ servers: own.url, timing: 'fast' }).open();
    await store.cas(CONFIG_KEY, 0, 'config', 5_000);
    const outcome = await store.cas('s.1', 0, 'kept', 5_000);
    const back = new Promise<void>((resolve) => {
      store.onConnection((isConnected) => {
        if (isConnected) resolve();
      });
    });
    await own.restart();
    await back;
    expect(outcome).toEqual({ kind: 'acked', revision: 2 });
    expect(await store.read('s.1', 5_000)).toEqual({ key: 's.1', revision: 2, value: 'kept' });
    expect(await store.cas('s.1', 2, 'next', 5_000)).toEqual({ kind: 'acked', revision: 3 });
    await store.close();
    await own.stop();
  });

  test('drops the record that a refused write was to replace, when the account is full', async () => {
    await using own = await startNatsServer({
      config: `jetstream {}
        accounts { A { jetstream { max_file: 200KB, max_mem: 1MB }, users: [{ user: u, password: p }] } }`,
    });
    const login = { servers: own.url, user: 'u', pass: 'p' };
    const store = await natsMembership(login).open();
    const other = await connect(login);
    await store.cas(CONFIG_KEY, 0, 'config', 5_000);
    await store.cas('h.a', 0, 'before', 5_000);
    await (await other.jetstreamManager()).streams.add({ name: 'LOGS', subjects: ['logs'] });
    for (let bytes = 1_000; bytes >= 1;) {
      const answer = await other.request('logs', new Uint8Array(bytes), { timeout: 5_000 });
      if ('error' in answer.json<object>()) bytes >>= 1;
    }
    const outcome = await store.cas('h.a', 2, 'x'.repeat(1_000), 5_000);
    expect(outcome).toMatchObject({ kind: 'unknown', refusal: { details: { errCode: 10_002 } } });
    expect(await store.read('h.a', 5_000)).toBeUndefined();
    await other.close();
    await store.close();
  });
});
