/** The product as its users import it: over NATS in two processes, and in memory within one. */
import type { Client, Handler, Node, Transport } from '@clstr/core';
import { createClient, createNode, shardsForNode } from '@clstr/core';
import { memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import type { ClientSide, Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';

export const clstr: Contender = {
  name: 'clstr',
  title: 'clstr',

  async startNode({ servers, prefix, numShards }) {
    const transport = await natsTransport({ servers, subjectPrefix: prefix });
    const node = await startNode(transport, numShards);
    return {
      close: async () => {
        await node.close();
        await transport.close();
      },
    };
  },

  async startClient({ servers, prefix, numShards }) {
    const transport = await natsTransport({ servers, subjectPrefix: prefix });
    const client = createClient({ transport, numShards });
    return clientSide(client, async () => {
      await client.close();
      await transport.close();
    });
  },
};

export const clstrMemory: Contender = {
  name: 'clstr-memory',
  title: 'clstr, in memory',

  async startClient({ numShards }) {
    const transport = memoryTransport();
    const node = await startNode(transport, numShards);
    const client = createClient({ transport, numShards });
    return clientSide(client, async () => {
      await client.close();
      await node.close();
      await transport.close();
    });
  },
};

async function startNode(transport: Transport, numShards: number): Promise<Node> {
  const id = 'node-1';
  const handler: Handler = ({ payload }) => answer(payload as Payload);
  const node = createNode({ id, transport, numShards, shards: shardsForNode(id, [id], numShards), handler });
  await node.start();
  return node;
}

function clientSide(client: Client, close: () => Promise<void>): ClientSide {
  return { request: (key, question) => client.requestKey<Payload>(key, 'Ask', question), close };
}
