/** The two sides of every contender that uses the product: over NATS, or in one process in memory. */
import type { Client, ClientOptions, Handler, Node, NodeOptions, Transport } from '@clstr/core';
import { createClient, createNode, shardsForNode } from '@clstr/core';
import { memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import type { ClientSide, Side, Site } from '../contender.ts';

/** How a contender asks through a client. */
export type Ask = (client: Client) => ClientSide['request'];
/** How it asks a list. */
type AskMany = (client: Client) => ClientSide['requestMany'];

/** What observes client and node. */
export type Observers = Pick<ClientOptions, 'metrics' | 'tracing'>;
/** What a client may be given beside that. */
type ClientExtras = Observers & Pick<ClientOptions, 'retry' | 'breaker'>;

export type NodeExtras = Omit<
  NodeOptions,
  'id' | 'transport' | 'numShards' | 'shards' | 'handler' | 'membership'
>;

export async function natsNode(
  { servers, prefix, numShards }: Site,
  handler: Handler,
  extras: NodeExtras = {},
): Promise<Side> {
  const transport = await natsTransport({ servers, subjectPrefix: prefix });
  return nodeSide(transport, await startNode(transport, handler, numShards, extras));
}

export async function natsClient(
  { servers, prefix, numShards }: Site,
  ask: Ask,
  extras: ClientExtras = {},
  askMany?: AskMany,
): Promise<ClientSide> {
  const transport = await natsTransport({ servers, subjectPrefix: prefix });
  const client = createClient({ ...extras, transport, numShards });
  return {
    request: ask(client),
    requestMany: askMany?.(client),
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

export async function memoryNode(
  numShards: number,
  handler: Handler,
  extras: NodeExtras = {},
): Promise<MemoryNode> {
  const transport = memoryTransport();
  return { transport, ...nodeSide(transport, await startNode(transport, handler, numShards, extras)) };
}

export async function memoryClient(
  numShards: number,
  handler: Handler,
  ask: Ask,
  observers: Observers = {},
): Promise<ClientSide> {
  const node = await memoryNode(numShards, handler, observers);
  const client = createClient({ ...observers, transport: node.transport, numShards });
  return {
    request: ask(client),
    close: async () => {
      await client.close();
      await node.close();
    },
  };
}

/** Starts the only node of its cluster, which serves every shard. */
async function startNode(
  transport: Transport,
  handler: Handler,
  numShards: number,
  extras: NodeExtras,
): Promise<Node> {
  const id = 'node-1';
  const shards = shardsForNode(id, [id], numShards);
  const node = createNode({ ...extras, id, transport, numShards, shards, handler });
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
