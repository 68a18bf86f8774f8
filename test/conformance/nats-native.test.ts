/** The transport contract over a real nats-server, native wire. */
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { transportConformance } from '@clstr/conformance';
import { natsTransport } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe } from 'vitest';

describe.skipIf(!hasNatsServer())('over nats-server', () => {
  let server: Awaited<ReturnType<typeof startNatsServer>>;
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());

  let buses = 0;
  transportConformance('NATS native', {
    async createBus({ clock }) {
      const subjectPrefix = `bus-${++buses}`;
      return { connect: () => natsTransport({ servers: server.url, subjectPrefix, clock }) };
    },
    maxPayload: 1_048_576,
    largePayloadBytes: 900_000,
  });
});
