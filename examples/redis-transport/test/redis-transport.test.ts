/** The contract of transports over a real redis-server. */
import { transportConformance } from '@clstr/conformance';
import { afterAll, beforeAll, describe } from 'vitest';
import { redisTransport } from '../src/redis-transport.ts';
import { hasRedisServer, startRedisServer } from './redis-server.ts';

describe.skipIf(!hasRedisServer())('over redis-server', () => {
  let server: Awaited<ReturnType<typeof startRedisServer>>;
  beforeAll(async () => {
    server = await startRedisServer();
  });
  afterAll(() => server.stop());

  let buses = 0;
  transportConformance('Redis', {
    async createBus({ clock }) {
      const prefix = `bus-${++buses}`;
      return { connect: () => redisTransport({ url: server.url, prefix, clock }) };
    },
    maxPayload: 1_048_576,
    largePayloadBytes: 900_000,
  });
});
