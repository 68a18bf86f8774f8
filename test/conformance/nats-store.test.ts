/** The contract of a cluster store over JetStream of a real nats-server, each member behind a proxy of its own. */
import type { ClusterStore } from '@clstr/core/store';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { startTcpProxy } from '@clstr/testing';
import type { TcpProxy } from '@clstr/testing';
import { storeConformance } from '@clstr/conformance';
import { natsMembership } from '@clstr/transport-nats';
import { connect } from 'nats';
import type { JetStreamManager, NatsConnection } from 'nats';
import { afterAll, beforeAll, describe } from 'vitest';

describe.skipIf(!hasNatsServer())('over nats-server', () => {
  let server: Awaited<ReturnType<typeof startNatsServer>>;
  let operator: NatsConnection;
  let streams: JetStreamManager['streams'];
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
    operator = await connect({ servers: server.url });
    ({ streams } = await operator.jetstreamManager());
  });
  afterAll(async () => {
    await operator.close();
    await server.stop();
  });

  let clusters = 0;
  storeConformance('NATS', {
    async createCluster() {
      const cluster = `cluster-${++clusters}`;
      const proxies: TcpProxy[] = [];
      return {
        async connect() {
          const proxy = await startTcpProxy({ port: server.port });
          proxies.push(proxy);
          const servers = `127.0.0.1:${proxy.port}`;
          const store = await natsMembership({ servers, cluster }).open();
          return {
            store,
            cut() {
              proxy.setMode({ kind: 'reset' });
            },
            loseAnswers() {
              proxy.setMode({ kind: 'half-open' });
            },
            loseEverything() {
              proxy.setMode({ kind: 'black-hole' });
            },
            async restore() {
              // A connection that has lost bytes is dead: only a new one passes.
              const back = nextUp(store);
              proxy.reset();
              proxy.setMode({ kind: 'pass' });
              await back;
            },
          };
        },
        async deleteBucket() {
          await streams.delete(`KV_${cluster}`);
        },
        async close() {
          await Promise.all(proxies.map((proxy) => proxy.close()));
        },
      };
    },
  });
});

function nextUp(store: ClusterStore): Promise<void> {
  return new Promise((resolve) => {
    const stop = store.onConnection((isConnected) => {
      if (!isConnected) return;
      stop();
      resolve();
    });
  });
}
