/** A nats-server that is killed and comes back, under load: what is lost, what waits, and when traffic is back. */
import type { Client, ClstrError, Node, Transport } from '@clstr/core';
import { createClient, createNode, isClstrError } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { Deferred } from '@clstr/testing';
import type { NatsServer } from '@clstr/testing/nats';
import type { NatsTransport, NatsTransportOptions, Wire } from '@clstr/transport-nats';
import { natsTransport } from '@clstr/transport-nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const NUM_SHARDS = 64;
const BACK_WITHIN_MS = 2_000;
const WORKERS = 256;
const KILLS = 2;

describe.skipIf(!hasNatsServer())('a nats-server that is killed and comes back', () => {
  let server: NatsServer;
  let clientSide: NatsTransport;
  let nodeSide: NatsTransport;
  let node: Node;
  let client: Client;
  /** Called in reverse order, after each test. */
  const closers: (() => Promise<void>)[] = [];
  /** How often each id reached the handler. */
  let handled: Map<unknown, number>;
  /** `Hang` waits for it; `hanging` counts those that wait. */
  let gate: Deferred<void>;
  let hanging: number;
  let onHandled: () => void;

  beforeEach(async () => {
    server = await startNatsServer();
    closers.push(() => server.stop());
    handled = new Map();
    gate = deferred();
    hanging = 0;
    onHandled = () => {};
  });

  afterEach(async () => {
    gate.resolve();
    for (const close of closers.splice(0).reverse()) await close();
  });

  async function startCluster(
    wire: Wire,
    options: NatsTransportOptions = {},
    nodeOptions: NatsTransportOptions = {},
  ): Promise<void> {
    nodeSide = await natsTransport({ servers: server.url, ...nodeOptions });
    closers.push(() => nodeSide.close());
    clientSide = await natsTransport({ servers: server.url, wire, ...options });
    closers.push(() => clientSide.close());
    const shards = Array.from({ length: NUM_SHARDS }, (_, shard) => shard);
    node = createNode({
      transport: nodeSide,
      numShards: NUM_SHARDS,
      shards,
      handler: async ({ type, payload }) => {
        handled.set(payload, (handled.get(payload) ?? 0) + 1);
        if (type === 'Hang') hanging++;
        onHandled();
        if (type === 'Hang') await gate.promise;
        return payload;
      },
    });
    closers.push(() => node.close());
    await node.start();
    client = createClient({ transport: clientSide, numShards: NUM_SHARDS });
    closers.push(() => client.close());
  }

  /** Sends requests that hang in the handler, and resolves when all of them have started. */
  async function sendHanging(count: number): Promise<Promise<Ended>[]> {
    const all = deferred();
    onHandled = () => {
      if (hanging === count) all.resolve();
    };
    const sent = ids('hang', count).map((id) => ended(client.requestKey(id, 'Hang', id)));
    await all.promise;
    return sent;
  }

  async function killServer(): Promise<void> {
    const gone = [nextState(clientSide, 'disconnected'), nextState(nodeSide, 'disconnected')];
    await server.kill();
    await Promise.all(gone);
  }

  async function restartServer(): Promise<void> {
    const back = [nextState(clientSide, 'connected'), nextState(nodeSide, 'connected')];
    await server.restart();
    await Promise.all(back);
  }

  describe.each(['native', 'json'] as const)('with clients of the %s wire', (wire) => {
    test('loses, under load, only what had left, and has traffic back within 2 s', async () => {
      await startCluster(wire);
      const load = startLoad(() => client, WORKERS);
      for (let kill = 1; kill <= KILLS; kill++) {
        await load.untilAnswered(load.answered + 2_000);
        const failedBefore = load.failed;
        await server.kill();
        await load.untilFailed(failedBefore + 1);
        await server.restart();
        const restartedMs = performance.now();
        await load.untilAnswered(load.answered + 500);
        expect(performance.now() - restartedMs).toBeLessThan(BACK_WITHIN_MS);
      }
      const ends = await load.stop();

      for (const { id, error } of ends) {
        const times = handled.get(id) ?? 0;
        if (error === undefined) expect(times, id).toBe(1);
        else {
          expect(`${error.code} ${error.outcome}`, error.message).toBe('CONNECTION_LOST unknown');
          expect(times, id).toBeLessThanOrEqual(1);
        }
      }
      // What was in flight at a kill, and no more: the workers went on while the server was away.
      expect(load.failed).toBeLessThanOrEqual(KILLS * WORKERS);
    });

    test('fails what had left as CONNECTION_LOST, unknown, at the disconnect', async () => {
      await startCluster(wire);
      const sent = await sendHanging(50);
      await killServer();
      for (const { error } of await Promise.all(sent)) {
        expect(error).toMatchObject({ code: 'CONNECTION_LOST', outcome: 'unknown', retryable: false });
      }
      await restartServer();
      expect(await client.requestKey('k', 'Echo', 'back')).toBe('back');
    });

    test('keeps what had not left: it goes through after the return, each once', async () => {
      await startCluster(wire);
      await client.requestKey('k', 'Echo', 'before');
      await killServer();
      const requests = ids('request', 50).map((id) => client.requestKey(id, 'Echo', id));
      const notifies = ids('notify', 50).map((id) => client.notifyKey(id, 'Echo', id));
      expect([...handled.keys()]).toEqual(['before']);
      const all = deferred();
      onHandled = () => {
        if (handled.size === 101) all.resolve();
      };
      await restartServer();
      expect(await Promise.all(requests)).toEqual(ids('request', 50));
      await Promise.all([...notifies, all.promise]);
      await client.requestKey('k', 'Echo', 'after');
      const expected = ['before', ...ids('request', 50), ...ids('notify', 50), 'after'];
      expect(new Map([...handled].sort())).toEqual(new Map(expected.sort().map((id) => [id, 1])));
    });

    test('fails what had not left at its deadline as TIMEOUT, not executed, and never runs it', async () => {
      await startCluster(wire);
      await client.requestKey('k', 'Echo', 'before');
      await killServer();
      const options = { timeoutMs: 100 };
      const calls = [
        ...ids('request', 50).map((id) => client.requestKey(id, 'Echo', id, options)),
        ...ids('notify', 50).map((id) => client.notifyKey(id, 'Echo', id, options)),
      ];
      for (const { error } of await Promise.all(calls.map(ended))) {
        expect(error).toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
      }
      await restartServer();
      expect(await client.requestKey('k', 'Echo', 'after')).toBe('after');
      expect([...handled.keys()]).toEqual(['before', 'after']);
    });

    test('aborts what had not left as not executed, and never runs it', async () => {
      await startCluster(wire);
      await killServer();
      const controller = new AbortController();
      const call = ended(client.requestKey('k', 'Echo', 'aborted', { signal: controller.signal }));
      controller.abort();
      expect((await call).error).toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
      await restartServer();
      await client.requestKey('k', 'Echo', 'after');
      expect([...handled.keys()]).toEqual(['after']);
    });
  });

  test('repeats requests that find no node yet, as nodes come back later than clients', async () => {
    await startCluster('native', { reconnectWaitMs: 10 }, { reconnectWaitMs: 1_000 });
    await client.requestKey('k', 'Echo', 'before');
    await killServer();
    const nodeIsBack = nextState(nodeSide, 'connected');
    const clientIsBack = nextState(clientSide, 'connected');
    await server.restart();
    await clientIsBack;
    let isNodeBack = false;
    void nodeIsBack.then(() => (isNodeBack = true));
    const early = client.requestKey('k', 'Echo', 'early');
    expect(isNodeBack).toBe(false);
    expect(await early).toBe('early');
    expect(handled.get('early')).toBe(1);
  });

  test('refuses beyond maxWaiting messages, and beyond maxWaitingBytes of payload, while it is away', async () => {
    await startCluster('native', { maxWaiting: 3, maxWaitingBytes: 1_000 });
    await killServer();
    const small = ids('small', 2).map((id) => client.requestKey('k', 'Echo', id));
    const large = ended(client.requestKey('k', 'Echo', 'x'.repeat(1_000)));
    expect((await large).error).toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed' });
    // The bounds count what waits now, not what ever waited.
    for (let i = 0; i < 3; i++) {
      const controller = new AbortController();
      const call = ended(client.requestKey('k', 'Echo', 'x'.repeat(900), { signal: controller.signal }));
      controller.abort();
      expect((await call).error).toMatchObject({ code: 'ABORTED' });
    }
    const third = client.requestKey('k', 'Echo', 'x'.repeat(900));
    const fourth = ended(client.requestKey('k', 'Echo', 'fourth'));
    expect((await fourth).error).toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed' });
    await restartServer();
    expect(await Promise.all([...small, third])).toEqual([...ids('small', 2), 'x'.repeat(900)]);
    await killServer();
    const again = ids('again', 3).map((id) => client.requestKey('k', 'Echo', id));
    await restartServer();
    expect(await Promise.all(again)).toEqual(ids('again', 3));
  });

  test('can be left while it is away: what waits fails as not executed', async () => {
    await startCluster('native');
    await killServer();
    const waits = ended(client.requestKey('k', 'Echo', 'waits'));
    await clientSide.close();
    expect((await waits).error).toMatchObject({ code: 'TRANSPORT_CLOSED', outcome: 'not-executed' });
    await node.close();
    await nodeSide.close();
    expect(node.state).toBe('closed');
    await server.restart();
    expect(handled.size).toBe(0);
  });

  test('is reported to listeners by its address', async () => {
    await startCluster('native');
    const events: unknown[] = [];
    clientSide.onConnection((event) => events.push(event));
    await killServer();
    await restartServer();
    const where = `127.0.0.1:${server.port}`;
    expect(events).toEqual([
      { state: 'disconnected', server: where },
      { state: 'connected', server: where },
    ]);
  });
});

interface Ended {
  readonly error: ClstrError | undefined;
}

async function ended(call: Promise<unknown>): Promise<Ended> {
  try {
    await call;
    return { error: undefined };
  } catch (error) {
    if (!isClstrError(error)) throw error;
    return { error };
  }
}

function ids(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${name}-${i}`);
}

function nextState(transport: Transport, state: string): Promise<void> {
  return new Promise((resolve) => {
    const stop = transport.onConnection((event) => {
      if (event.state !== state) return;
      stop();
      resolve();
    });
  });
}

/** Workers that each send one request after the other, every one with an id of its own, until stopped. */
function startLoad(client: () => Client, workers: number) {
  const ends: { id: string; error: ClstrError | undefined }[] = [];
  const watchers = new Set<() => void>();
  let answered = 0;
  let failed = 0;
  let sent = 0;
  let isStopped = false;

  async function work(): Promise<void> {
    while (!isStopped) {
      const id = `load-${++sent}`;
      const { error } = await ended(client().requestKey(id, 'Echo', id));
      ends.push({ id, error });
      if (error === undefined) answered++;
      else failed++;
      if (error?.code === 'TRANSPORT_CLOSED') return; // the test has failed and is tidying up
      for (const watcher of watchers) watcher();
    }
  }
  function until(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const watcher = (): void => {
        if (!isMet()) return;
        watchers.delete(watcher);
        resolve();
      };
      watchers.add(watcher);
      watcher();
    });
  }
  const running = Array.from({ length: workers }, work);
  return {
    get answered() {
      return answered;
    },
    get failed() {
      return failed;
    },
    untilAnswered: (count: number) => until(() => answered >= count),
    untilFailed: (count: number) => until(() => failed >= count),
    async stop() {
      isStopped = true;
      await Promise.all(running);
      return ends;
    },
  };
}
