/** One key, one mailbox, one message at a time: over the memory bus and over a real nats-server. */
import { env } from 'node:process';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import { describe, expect, test } from 'vitest';
import { checkActorOrder } from './actor-order.ts';

/** `SEED=… npx vitest run test/integration/actor-order.test.ts` repeats a run. */
const seed = Number(env['SEED'] ?? Math.trunc(Math.random() * 0x7fff_ffff));
console.log(`seed of the schedules: ${seed}`);

describe('what each key did is one serial order, and its callers saw it', () => {
  test('over the memory bus', async () => {
    await checkActorOrder({
      seed,
      numRuns: 1000,
      openCluster: async () => {
        const bus = createMemoryBus();
        return { connect: async () => memoryTransport({ bus }) };
      },
    });
  }, 60_000);

  test.skipIf(!hasNatsServer())(
    'over nats-server',
    async () => {
      const server = await startNatsServer();
      let clusters = 0;
      await checkActorOrder({
        seed,
        numRuns: 100,
        openCluster: async () => {
          const subjectPrefix = `cluster-${++clusters}`;
          return { connect: () => natsTransport({ servers: server.url, subjectPrefix }) };
        },
      });
      expect(clusters).toBe(100);
      await server.stop();
    },
    60_000,
  );
});
