/** The contract of a store of state over a real Postgres, each connection behind a proxy of its own. */
import { proxyFaults, stateStoreConformance } from '@clstr/conformance';
import { startTcpProxy } from '@clstr/testing';
import type { TcpProxy } from '@clstr/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { postgresStore } from '../src/postgres-store.ts';
import { START_TIMEOUT_MS, hasPostgres, startPostgres } from './postgres-server.ts';
import type { PostgresServer } from './postgres-server.ts';

describe.skipIf(!hasPostgres())('over Postgres', () => {
  let server: PostgresServer;
  const proxies: TcpProxy[] = [];
  beforeAll(async () => {
    server = await startPostgres();
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await server.stop();
  });

  stateStoreConformance('Postgres', {
    async connect(context) {
      const proxy = await startTcpProxy({ port: server.port });
      proxies.push(proxy);
      const connectionString = `postgres://clstr@127.0.0.1:${proxy.port}/postgres`;
      const store = await postgresStore({ connectionString }).open(context);
      return { store, faults: proxyFaults(proxy) };
    },
  });
});
