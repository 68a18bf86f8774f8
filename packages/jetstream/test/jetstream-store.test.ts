/** What the conformance suite cannot ask of every store: streams, their settings, and a server that ends. */
import { systemClock } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import { headers } from 'nats';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { jetstreamStore } from '../src/index.ts';
import type { JetStreamStoreOptions } from '../src/index.ts';
import { Stage, TIMEOUT_MS, append, placeOf, readTexts, write } from './stage.ts';

const context = { cluster: 'c', service: 'default', clock: systemClock, logger: silentLogger };

describe('jetstreamStore', () => {
  test.each([
    [{ replicas: 0 }, /^jetstreamStore: replicas must be a whole number from 1 to 5, got 0$/],
    [{ storage: 'disk' }, /^jetstreamStore: storage must be 'file' or 'memory', got "disk"$/],
    [{ allowUnsafeServer: 1 }, /^jetstreamStore: allowUnsafeServer must be true or false, got 1$/],
    [{ cluster: 'c' }, /unknown option "cluster"/],
  ])('refuses %o', (options, message) => {
    expect(() => jetstreamStore(options as unknown as JetStreamStoreOptions)).toThrow(message);
  });

  test('needs a transport over NATS, and says so', async () => {
    const transport = memoryTransport();
    for (const each of [transport, transport.service('shop')]) {
      await expect(jetstreamStore().open({ ...context, transport: each })).rejects.toMatchObject({
        code: 'INVALID_OPTION',
        message: expect.stringMatching(
          /made by natsTransport or natsCluster, and the app has the transport "memory"$/,
        ),
      });
    }
    await transport.close();
  });

  test.skipIf(!hasNatsServer())('needs JetStream, and says so', async () => {
    await using server = await startNatsServer();
    await using transport = await natsTransport({ servers: server.url });
    await expect(jetstreamStore().open({ ...context, transport })).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringMatching(
        /^JetStream does not answer; jetstreamStore needs it \(nats-server -js\)/,
      ),
    });
  });
});

describe.skipIf(!hasNatsServer())('over a nats-server', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.start();
  });
  afterAll(() => stage.stop());
  afterEach(() => stage.clear());

  describe('the streams', () => {
    test('are made by the first use of each, and no earlier', async () => {
      const cluster = stage.nextCluster();
      const names = async () =>
        (await stage.manager.streams.list().next())
          .map(({ config }) => config.name)
          .filter((name) => name.endsWith(`_${cluster}`));
      const store = await stage.open(cluster);
      expect(await names()).toEqual([]);
      await write(store, placeOf('a', { keeps: 'newest' }), 0, 'x', true);
      expect(await names()).toEqual([`CLSTR_STATE_${cluster}`]);
      expect(await readTexts(store, placeOf('a'))).toEqual([]);
      expect((await names()).sort()).toEqual([`CLSTR_LOG_${cluster}`, `CLSTR_STATE_${cluster}`]);
    });

    test('are made once by many clients that read and write at the same time', async () => {
      for (let round = 0; round < 20; round++) {
        const cluster = stage.nextCluster();
        const stores = await Promise.all(Array.from({ length: 4 }, () => stage.open(cluster)));
        const { key: _, ...shard } = placeOf('');
        const calls = stores.flatMap((store, i) => [
          write(store, placeOf(`key ${i}`), 0, 'x'),
          store.load(placeOf('key 0'), TIMEOUT_MS),
          store.list(shard, TIMEOUT_MS),
          store.erase(placeOf('other'), 1, TIMEOUT_MS),
        ]);
        await Promise.all(calls);
        expect(await stores[0]!.list(shard, TIMEOUT_MS)).toHaveLength(4);
        await stage.clear();
      }
    });

    test('drop nothing by themselves, and forbid roll-ups and deletions', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster, { storage: 'memory' });
      await readTexts(store, placeOf('a'));
      const { config } = await stage.manager.streams.info(`CLSTR_LOG_${cluster}`);
      expect(config).toMatchObject({
        subjects: [`${cluster}.log.>`],
        storage: 'memory',
        num_replicas: 1,
        retention: 'limits',
        discard: 'new',
        max_age: 0,
        max_bytes: -1,
        max_msgs: -1,
        max_msgs_per_subject: -1,
        deny_delete: true,
        deny_purge: false,
        allow_rollup_hdrs: false,
        allow_direct: false,
      });
    });

    test.each([
      [{ max_age: 3_600_000_000_000 }, 'max_age 3600000000000'],
      [{ max_msgs_per_subject: 5 }, 'max_msgs_per_subject 5 instead of -1'],
      [{ max_msgs: 10, discard: 'old' }, 'discard old with a limit, which drops records'],
      [{ allow_rollup_hdrs: true }, 'allow_rollup_hdrs'],
      [{ deny_purge: true }, 'deny_purge, with which nothing can be erased'],
      [{ no_ack: true }, 'no_ack'],
      [{ retention: 'interest' }, 'retention "interest" instead of limits'],
      [{ storage: 'memory' }, 'storage memory instead of file'],
      [{ sources: [{ name: 'elsewhere' }] }, 'sources, which brings in records that no actor wrote'],
    ])('that exist with %o are refused', async (settings, problem) => {
      const cluster = stage.nextCluster();
      const name = `CLSTR_LOG_${cluster}`;
      await stage.manager.streams.add({ name, subjects: [`${cluster}.log.>`], ...settings } as never);
      await expect(stage.open(cluster)).rejects.toMatchObject({
        code: 'CLUSTER_CONFIG_MISMATCH',
        message: expect.stringContaining(
          `the stream ${name} has settings with which state is lost or false: ${problem};`,
        ),
      });
      await stage.manager.streams.delete(name);
    });

    test('that exist with other subjects are refused', async () => {
      const cluster = stage.nextCluster();
      await stage.manager.streams.add({
        name: `CLSTR_STATE_${cluster}`,
        subjects: ['elsewhere.>'],
        max_msgs_per_subject: 1,
      });
      await expect(stage.open(cluster)).rejects.toMatchObject({
        message: expect.stringContaining(`subjects "elsewhere.>" instead of ${cluster}.state.>`),
      });
    });

    test('whose subjects another stream has are not made, and the refusal says so', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      await stage.manager.streams.add({ name: `OTHER_${cluster}`, subjects: [`${cluster}.>`] });
      expect(await append(store, placeOf('a'), 0, 'x')).toMatchObject({
        kind: 'unknown',
        refusal: { code: 'STORE_REFUSED', message: expect.stringContaining('subjects overlap') },
      });
      await stage.manager.streams.delete(`OTHER_${cluster}`);
    });

    test('with several replicas need a newer server, or the wish to go without', async () => {
      const cluster = stage.nextCluster();
      await expect(stage.open(cluster, { replicas: 3 })).rejects.toMatchObject({
        code: 'UNSUPPORTED_VERSION',
      });
      await stage.open(cluster, { replicas: 3, allowUnsafeServer: true });
    });

    test('that are gone are not taken for empty ones', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      const revision = await write(store, placeOf('a'), 0, 'x');
      await stage.manager.streams.delete(`CLSTR_LOG_${cluster}`);
      await expect(store.load(placeOf('a'), TIMEOUT_MS)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
      expect(await append(store, placeOf('a'), revision, 'y')).toEqual({ kind: 'unknown' });
      await stage.manager.streams.add({ name: `OTHER_${cluster}`, subjects: [`${cluster}.>`] });
      expect(await append(store, placeOf('b'), 0, 'y')).toEqual({ kind: 'unknown' });
      await stage.manager.streams.delete(`OTHER_${cluster}`);
    });
  });

  describe('a log', () => {
    const place = placeOf('a');
    const subjectIn = (cluster: string): string => `${cluster}.log.default.account.7.a`;

    /** Writes what no store writes. */
    async function forge(
      subject: string,
      fields: Readonly<Record<string, string>>,
      text = 'forged',
    ): Promise<void> {
      const head = headers();
      for (const [name, value] of Object.entries(fields)) head.set(name, value);
      await stage.nats.request(subject, text, { headers: head, timeout: TIMEOUT_MS });
    }

    test('without its base is refused', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      const base = await write(store, place, 0, 'one', true);
      await write(store, place, await write(store, place, base, 'two'), 'three');
      await stage.manager.streams.purge(`CLSTR_LOG_${cluster}`, {
        filter: subjectIn(cluster),
        seq: base + 1,
      });
      await expect(store.load(place, TIMEOUT_MS)).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: `the log of account/"a" in CLSTR_LOG_${cluster} is not whole: it begins at record ${base}, which is gone`,
      });
    });

    test('is refused where more is gone than was erased', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      const first = await write(store, place, 0, 'one');
      const second = await write(store, place, first, 'two');
      await write(store, place, await write(store, place, second, 'three'), 'four');
      await store.erase(place, first, TIMEOUT_MS);
      expect(await readTexts(store, place)).toEqual(['two', 'three', 'four']);
      await stage.manager.streams.purge(`CLSTR_LOG_${cluster}`, {
        filter: subjectIn(cluster),
        seq: second + 1,
      });
      await expect(store.load(place, TIMEOUT_MS)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    });

    test('with a gap is refused', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      const base = await write(store, place, 0, 'one', true);
      await write(store, place, base, 'two');
      const fields = { 'Clstr-Whole': '0', 'Clstr-Base': String(base), 'Clstr-Previous': String(base + 7) };
      await forge(subjectIn(cluster), fields);
      await expect(store.load(place, TIMEOUT_MS)).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringContaining(`record ${base + 7} before record ${base + 2} is gone`),
      });
    });

    test('with what no store has written is refused', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      await write(store, place, 0, 'one', true);
      await forge(subjectIn(cluster), { Other: 'x' });
      const refusal = {
        code: 'STORE_REFUSED',
        message: expect.stringContaining('it has no headers of a record'),
      };
      await expect(store.load(place, TIMEOUT_MS)).rejects.toMatchObject(refusal);
      await expect(store.list(place, TIMEOUT_MS)).rejects.toMatchObject(refusal);
    });

    test('under the hash of another key is refused, and never mixed with it', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      const long = placeOf('x'.repeat(1_000));
      await write(store, long, 0, 'one', true);
      const { config } = await stage.manager.streams.info(`CLSTR_LOG_${cluster}`);
      const { message } = await stage.nats
        .request(`$JS.API.STREAM.MSG.GET.${config.name}`, JSON.stringify({ seq: 1 }))
        .then((answer) => answer.json<{ message: { subject: string } }>());
      expect(message.subject).toMatch(/\.7\.=h[0-9a-f]{32}$/);
      await forge(message.subject, { 'Clstr-Whole': '1', 'Clstr-Key-Bytes': '6' }, 'other!forged');
      await expect(store.load(long, TIMEOUT_MS)).rejects.toMatchObject({
        code: 'STORE_REFUSED',
        message: expect.stringContaining('belongs to another key than account/"xxx'),
      });
      await expect(store.list(long, TIMEOUT_MS)).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    });

    test('is continued by a store that has not read it', async () => {
      const cluster = stage.nextCluster();
      const [one, other] = [await stage.open(cluster), await stage.open(cluster)];
      const base = await write(one, place, 0, 'one', true);
      const second = await write(other, place, base, 'two');
      const third = await write(one, place, second, 'three');
      expect(await append(other, place, second, 'late')).toEqual({ kind: 'lost' });
      expect(await readTexts(other, place)).toEqual(['one', 'two', 'three']);
      await write(other, place, third, 'four');
      expect(await readTexts(one, place)).toEqual(['one', 'two', 'three', 'four']);
    });

    test('that is erased leaves nothing, its mark neither', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      const revisions = [await write(store, place, 0, 'one')];
      revisions.push(await write(store, place, revisions[0]!, 'two'));
      const count = async () => (await stage.manager.streams.info(`CLSTR_LOG_${cluster}`)).state.messages;
      await store.erase(place, revisions[0]!, TIMEOUT_MS);
      await store.erase(place, revisions[0]!, TIMEOUT_MS);
      expect(await count()).toBe(2);
      await store.erase(place, revisions[1]!, TIMEOUT_MS);
      expect(await count()).toBe(0);
    });

    test('takes no record that is too large: nothing reaches the stream', async () => {
      const cluster = stage.nextCluster();
      const store = await stage.open(cluster);
      await write(store, place, 0, 'one', true);
      const bytes = new Uint8Array(store.maxRecordBytes + 1);
      const outcome = await store.append(place, 1, { bytes, isWhole: true }, TIMEOUT_MS);
      expect(outcome).toMatchObject({ kind: 'unknown', refusal: { code: 'PAYLOAD_TOO_LARGE' } });
      expect((await stage.manager.streams.info(`CLSTR_LOG_${cluster}`)).state.last_seq).toBe(1);
    });

    test.each([
      [{ key: '\uD83E' }, 'is not text that a store can hold'],
      [{ space: 'a.b' }, 'is not 1 to 64 of A-Z a-z 0-9 _ -'],
      [{ shard: -1 }, 'is not a shard'],
    ])('at %o is refused before it becomes a subject', async (changes, message) => {
      const store = await stage.open(stage.nextCluster());
      const wrong = placeOf('a', changes);
      const refusal = { code: 'INVALID_OPTION', message: expect.stringContaining(message) };
      expect(await append(store, wrong, 0, 'x')).toMatchObject({ kind: 'unknown', refusal });
      await expect(store.load(wrong, TIMEOUT_MS)).rejects.toMatchObject(refusal);
    });

    test('of a service is reached through the view of its transport', async () => {
      const cluster = stage.nextCluster();
      const transport = (await stage.transport(cluster)).service('shop');
      const store = await stage.openOn(transport, cluster, {}, 'shop');
      await write(store, place, 0, 'x', true);
      expect(await readTexts(await stage.open(cluster, {}, 'shop'), place)).toEqual(['x']);
      expect(await readTexts(await stage.open(cluster), place)).toEqual([]);
    });
  });
});
