/** The product in a dynamic cluster: what membership costs each request, and what more nodes cost and bring. */
import { performance } from 'node:perf_hooks';
import { createClient, createNode, shardsForNode } from '@clstr/core';
import type { Node } from '@clstr/core';
import { natsMembership, natsTransport } from '@clstr/transport-nats';
import type { ClientSide, Contender, Side, Site } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';

export const clstrDynamic: Contender = {
  name: 'clstr-dynamic',
  title: 'clstr, dynamic',
  isLeftOutOfQuick: true,
  startNode: (site) => startNodes(site, ['node-1'], ['node-1']),
  startClient,
};

const THREE = ['node-1', 'node-2', 'node-3'];

export const clstrDynamic3: Contender = {
  name: 'clstr-dynamic-3',
  title: 'clstr, dynamic, 3 nodes',
  isLeftOutOfQuick: true,
  startNode: (site) => startNodes(site, THREE, THREE),
  startClient,
};

/** How long a busy handler computes: long enough that the nodes are the bottleneck. */
const WORK_MS = 0.02;

export const clstrBusy: Contender = {
  name: 'clstr-busy',
  title: 'clstr, dynamic, 20 µs of work',
  isLeftOutOfQuick: true,
  startNode: (site) => startNodes(site, ['node-1'], ['node-1'], WORK_MS),
  startClient,
};

export const clstrBusy3: Contender = {
  name: 'clstr-busy-3',
  title: 'clstr, 3 processes, 20 µs',
  isLeftOutOfQuick: true,
  nodeProcesses: THREE.length,
  startNode: (site, process) => startNodes(site, THREE, [THREE[process]!], WORK_MS),
  startClient,
};

/** Starts the nodes of this process. Resolves when each has its shards among `all`. */
async function startNodes(
  { servers, prefix, numShards }: Site,
  all: readonly string[],
  own: readonly string[],
  workMs = 0,
): Promise<Side> {
  const started = await Promise.all(
    own.map(async (id) => {
      const transport = await natsTransport({ servers, subjectPrefix: prefix });
      const node = createNode({
        id,
        transport,
        numShards,
        membership: natsMembership({ servers, cluster: prefix, timing: 'fast' }),
        handler: ({ payload }) => {
          if (workMs > 0) compute(workMs);
          return answer(payload as Payload);
        },
      });
      const settled = holdsShards(node, shardsForNode(id, all, numShards).length);
      await node.start();
      return { node, transport, settled };
    }),
  );
  await Promise.all(started.map(({ settled }) => settled));
  return {
    close: async () => {
      await Promise.all(started.map(({ node }) => node.close()));
      await Promise.all(started.map(({ transport }) => transport.close()));
    },
  };
}

function holdsShards(node: Node, count: number): Promise<void> {
  return new Promise((resolve) => {
    node.onEvent(() => {
      if (node.shards().length === count) resolve();
    });
  });
}

function compute(ms: number): void {
  const endsAt = performance.now() + ms;
  while (performance.now() < endsAt);
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
