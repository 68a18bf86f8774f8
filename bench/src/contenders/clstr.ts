/** The product with a plain handler: over NATS in two processes, and in memory within one. */
import type { Client, Handler } from '@clstr/core';
import type { ClientSide, Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';
import { memoryClient, natsClient, natsNode } from './clstr-sides.ts';

export const clstr: Contender = {
  name: 'clstr',
  title: 'clstr',
  startNode: (site) => natsNode(site, handler),
  startClient: (site) => natsClient(site, ask),
};

export const clstrMemory: Contender = {
  name: 'clstr-memory',
  title: 'clstr, in memory',
  startClient: ({ numShards }) => memoryClient(numShards, handler, ask),
};

const handler: Handler = ({ payload }) => answer(payload as Payload);

function ask(client: Client): ClientSide['request'] {
  return (key, question) => client.requestKey<Payload>(key, 'Ask', question);
}
