/** The contract of a store of state over JetStream of a real nats-server, each connection behind a proxy of its own. */
import { proxyFaults, stateStoreConformance } from '@clstr/conformance';
import { jetstreamStore } from '@clstr/jetstream';
import { startTcpProxy } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe } from 'vitest';

describe.skipIf(!hasNatsServer())('over nats-server', () => {
  let server: NatsServer;
  const endings: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
  });
  afterAll(async () => {
    for (const end of endings) await end();
    await server.stop();
  });

  stateStoreConformance('JetStream', {
    async connect(context) {
      const { cluster } = context;
      const proxy = await startTcpProxy({ port: server.port });
      const servers = `${proxy.host}:${proxy.port}`;
      const transport = await natsTransport({ servers, cluster, reconnectWaitMs: 20 });
      endings.push(async () => {
        await transport.close();
        await proxy.close();
      });
      const store = await jetstreamStore().open({ ...context, transport });
      return { store, faults: proxyFaults(proxy) };
    },
  });
});
