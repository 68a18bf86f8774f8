/** The two sides of every contender that uses the product: over NATS, or in one process in memory. */
import type { Client, Handler, Node, Transport } from '@clstr/core';
import { createClient, createNode, shardsForNode } from '@clstr/core';
import { memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import type { ClientSide, Side, Site } from '../contender.ts';

/** How a contender asks through a client. */
export type Ask = (client: Client) => ClientSide['request'];

export async function natsNode({ servers, prefix, numShards }: Site, handler: Handler): Promise<Side> {
  const transport = await natsTransport({ servers, subjectPrefix: prefix });
  return nodeSide(transport, await startNode(transport, handler, numShards));
}

export async function natsClient({ servers, prefix, numShards }: Site, ask: Ask): Promise<ClientSide> {
  const transport = await natsTransport({ servers, subjectPrefix: prefix });
  const client = createClient({ transport, numShards });
  return {
    request: ask(client),
    close: async () => {
      await client.close();
      await transport.close();
    },
  };
}

export interface MemoryNode extends Side {
  /** The transport through which a client of the same process reaches the node. */
  transport: Transport;
}

export async function memoryNode(numShards: number, handler: Handler): Promise<MemoryNode> {
  const transport = memoryTransport();
  return { transport, ...nodeSide(transport, await startNode(transport, handler, numShards)) };
}

export async function memoryClient(numShards: number, handler: Handler, ask: Ask): Promise<ClientSide> {
  const node = await memoryNode(numShards, handler);
  const client = createClient({ transport: node.transport, numShards });
  return {
    request: ask(client),
    close: async () => {
      await client.close();
      await node.close();
    },
  };
}

/** Starts the only node of its cluster, which serves every shard. */
async function startNode(transport: Transport, handler: Handler, numShards: number): Promise<Node> {
  const id = 'node-1';
  const node = createNode({ id, transport, numShards, shards: shardsForNode(id, [id], numShards), handler });
  await node.start();
  return node;
}

function nodeSide(transport: Transport, node: Node): Side {
  return {
    close: async () => {
      await node.close();
      await transport.close();
    },
  };
}
