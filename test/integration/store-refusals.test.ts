/** A store that says no: an account of JetStream that is full, has no consumers left, or may make no stream. */
import { createNode } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import type { Logger, Node } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership, natsTransport, provisionCluster } from '@clstr/transport-nats';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { afterEach, describe, expect, test } from 'vitest';

const NUM_SHARDS = 16;

describe.skipIf(!hasNatsServer())('an account of JetStream', () => {
  const endings: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const end of endings.splice(0).reverse()) await end();
  });

  /** `limits`: of the account of all nodes. */
  async function start(limits: string) {
    const server = await startNatsServer({
      config: `accounts { A { jetstream { ${limits} }, users: [{ user: u, password: p }] } }\njetstream {}`,
    });
    endings.push(() => server.stop());
    const login = { servers: server.url, user: 'u', pass: 'p' };
    const warnings: string[] = [];
    const onLog = new Set<() => void>();
    const say = (): void => onLog.forEach((listener) => listener());
    const warn = (_fields: object, message = ''): void => {
      warnings.push(message);
      say();
    };
    const logger: Logger = { ...silentLogger, warn, info: say };
    const provision = (cluster = 'clstr') =>
      provisionCluster({ ...login, cluster, numShards: NUM_SHARDS, isNew: true, timing: 'fast', logger });
    const join = async (id: string): Promise<Node> => {
      const transport = await natsTransport(login);
      endings.push(() => transport.close());
      const node = createNode({
        id,
        transport,
        numShards: NUM_SHARDS,
        logger,
        handler: () => id,
        membership: natsMembership({ ...login, timing: 'fast' }),
      });
      endings.push(() => node.close());
      await node.start();
      return node;
    };
    /** Looks at each log line and each event of the node. */
    const serving = async (node: Node): Promise<void> => {
      while (node.state !== 'serving') {
        await new Promise<void>((resolve) => {
          onLog.add(resolve);
          node.onEvent(() => resolve());
        });
      }
    };
    return { server, provision, join, warnings, serving };
  }

  async function admin(server: NatsServer): Promise<NatsConnection> {
    const nats = await connect({ servers: server.url, user: 'u', pass: 'p' });
    endings.push(() => nats.close());
    return nats;
  }

  /** Another stream takes all that the account may store, and what becomes free again. Resolves when it is full. */
  async function keepFull(nats: NatsConnection): Promise<() => Promise<void>> {
    const manager = await nats.jetstreamManager();
    await manager.streams.add({ name: 'LOGS', subjects: ['logs'] });
    const end = new AbortController();
    const fill = async (): Promise<void> => {
      for (let bytes = 1_000; bytes >= 1;) {
        const answer = await nats.request('logs', new Uint8Array(bytes), { timeout: 5_000 });
        if ('error' in answer.json<object>()) bytes >>= 1;
      }
    };
    await fill();
    const filling = (async () => {
      while (!end.signal.aborted) await fill();
    })();
    return async () => {
      end.abort();
      await filling;
      await manager.streams.delete('LOGS');
    };
  }

  /** A full account may lose the very record whose replacement it refuses; then the node joins again, once there is room. */
  test('that is full ends a start and a provisioning with its reason, and the others serve on', async () => {
    const { server, provision, join, warnings, serving } = await start('max_file: 200KB, max_mem: 1MB');
    await provision();
    const first = await join('n1');
    const nats = await admin(server);
    const empty = await keepFull(nats);
    const reason = 'resource limits exceeded for account';
    await expect(join('n2')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringMatching(
        `^node n2 could not join its cluster: the membership store refused for \\d+ ms to write h.n2: .*${reason}`,
      ),
    });
    const waiting = 'node n2 waits for the membership store, which refuses to write h.n2: ';
    expect(warnings.filter((message) => message.startsWith(waiting))).toEqual([
      expect.stringContaining(reason),
    ]);
    await expect(provision('other')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining(reason),
    });
    await empty();
    await serving(first);
  }, 60_000);

  test('that has too few consumers ends the start of the node for which there is none', async () => {
    const { provision, join, warnings } = await start('max_consumers: 2, max_file: 10MB, max_mem: 10MB');
    await provision();
    await expect(join('n1')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringMatching(
        /to list all keys: .*maximum consumers limit reached \(raise max_consumers/,
      ),
    });
    expect(warnings).toHaveLength(1);
  });

  test('that takes no stream is said at once by provisioning, and by a start', async () => {
    const { provision, join } = await start('max_streams: 1, max_file: 10MB, max_mem: 10MB');
    await provision('other');
    await expect(provision()).rejects.toMatchObject({ code: 'STORE_REFUSED' });
    await expect(join('n1')).rejects.toMatchObject({
      code: 'STORE_REFUSED',
      message: expect.stringContaining('refused for'),
    });
  });
});
