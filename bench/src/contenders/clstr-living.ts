/** The product in a living cluster, with one node and with three in one process: what membership costs each request. */
import { createClient, createNode } from '@clstr/core';
import type { Node } from '@clstr/core';
import { natsMembership, natsTransport } from '@clstr/transport-nats';
import type { ClientSide, Contender, Side, Site } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';

export const clstrLiving: Contender = {
  name: 'clstr-living',
  title: 'clstr, living',
  isLeftOutOfQuick: true,
  startNode: (site) => startNodes(site, 1),
  startClient,
};

export const clstrLiving3: Contender = {
  name: 'clstr-living-3',
  title: 'clstr, living, 3 nodes',
  isLeftOutOfQuick: true,
  startNode: (site) => startNodes(site, 3),
  startClient,
};

async function startNodes({ servers, prefix, numShards }: Site, count: number): Promise<Side> {
  const started = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const transport = await natsTransport({ servers, subjectPrefix: prefix });
      const node = createNode({
        id: `node-${i + 1}`,
        transport,
        numShards,
        membership: natsMembership({ servers, cluster: prefix, timing: 'fast' }),
        handler: ({ payload }) => answer(payload as Payload),
      });
      return { node, transport };
    }),
  );
  const allOwned = ownersOf(
    started.map(({ node }) => node),
    numShards,
  );
  await Promise.all(started.map(({ node }) => node.start()));
  await allOwned;
  return {
    close: async () => {
      await Promise.all(started.map(({ node }) => node.close()));
      await Promise.all(started.map(({ transport }) => transport.close()));
    },
  };
}

/** Resolves when every shard has an owner, and every node a share. */
function ownersOf(nodes: readonly Node[], numShards: number): Promise<void> {
  return new Promise((resolve) => {
    for (const node of nodes) {
      node.onEvent(() => {
        const shares = nodes.map((one) => one.shards().length);
        if (!shares.includes(0) && shares.reduce((sum, share) => sum + share, 0) === numShards) resolve();
      });
    }
  });
}

async function startClient({ servers, prefix, numShards }: Site): Promise<ClientSide> {
  const transport = await natsTransport({ servers, subjectPrefix: prefix });
  const client = createClient({ transport, numShards, routing: 'topology' });
  return {
    request: (key, question) => client.requestKey<Payload>(key, 'Ask', question),
    close: async () => {
      await client.close();
      await transport.close();
    },
  };
}
