/** Provisioning over a real nats-server: how soon a fresh cluster serves, with and without. */
import type { Node } from '@clstr/core';
import { TIMINGS, createNode } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsMembership, natsTransport, provisionCluster } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const NUM_SHARDS = 64;
const { expiryMs } = TIMINGS.fast;

describe.skipIf(!hasNatsServer())('provisioning over nats-server', () => {
  let server: NatsServer;
  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
  });
  afterAll(async () => {
    await server.stop();
  });

  /** From the start of three nodes until they serve every shard. */
  async function msToServe(cluster: string): Promise<number> {
    await using transport = await natsTransport({ servers: server.url, subjectPrefix: cluster });
    const membership = natsMembership({ servers: server.url, cluster, timing: 'fast' });
    const nodes = ['a', 'b', 'c'].map((id) =>
      createNode({ id, transport, numShards: NUM_SHARDS, membership, handler: () => id }),
    );
    const startedMs = performance.now();
    const served = allServed(nodes);
    await Promise.all(nodes.map((node) => node.start()));
    await served;
    const tookMs = performance.now() - startedMs;
    await Promise.all(nodes.map((node) => node.close()));
    return tookMs;
  }

  test('a fresh cluster serves before expiryMs with it, and later without', async () => {
    const options = { servers: server.url, timing: 'fast' } as const;
    const beganMs = performance.now();
    await provisionCluster({ ...options, cluster: 'quick', numShards: NUM_SHARDS, isNew: true });
    const provisionMs = performance.now() - beganMs;
    const [withMs, withoutMs] = [await msToServe('quick'), await msToServe('slow')];
    console.log(
      `${NUM_SHARDS} shards, 3 nodes, fast: provisioned in ${Math.round(provisionMs)} ms, ` +
        `served after ${Math.round(withMs)} ms with it, ${Math.round(withoutMs)} ms without`,
    );
    expect(withMs).toBeLessThan(expiryMs);
    expect(withMs).toBeLessThan(withoutMs);
  }, 30_000);

  test('waits for an expiry by default, does nothing the second time, and refuses what differs', async () => {
    const options = {
      servers: server.url,
      timing: 'fast',
      cluster: 'default',
      numShards: NUM_SHARDS,
    } as const;
    const beganMs = performance.now();
    await provisionCluster(options);
    const firstMs = performance.now() - beganMs;
    const againMs = performance.now();
    await provisionCluster(options);
    const secondMs = performance.now() - againMs;
    expect(secondMs).toBeLessThan(expiryMs);
    expect(secondMs).toBeLessThan(firstMs);
    await expect(provisionCluster({ ...options, seed: 'other', placement: 'bounded' })).rejects.toMatchObject(
      {
        code: 'CLUSTER_CONFIG_MISMATCH',
        message: expect.stringMatching(
          /seed is "" there and "other" here, placement is "rendezvous" there and "bounded" here$/,
        ) as string,
      },
    );
  }, 30_000);
});

function allServed(nodes: readonly Node[]): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      const owned = nodes.flatMap((node) => node.shards().filter((shard) => node.owns(shard)));
      if (new Set(owned).size === NUM_SHARDS) resolve();
    };
    for (const node of nodes) node.onEvent(check);
  });
}
