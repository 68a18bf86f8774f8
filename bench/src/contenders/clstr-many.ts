/** The product with lists: 10,000 questions in one `requestMany`, of which the handler fails one in a hundred. */
import { ActorError } from '@clstr/core';
import type { Client, Handler } from '@clstr/core';
import type { ClientSide, Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer, isFailing } from '../payload.ts';
import { natsClient, natsNode } from './clstr-sides.ts';

export const clstrMany: Contender = {
  name: 'clstr-many',
  title: 'clstr, lists',
  startNode: (site) => natsNode(site, handler),
  startClient: (site) => natsClient(site, ask, undefined, askMany),
};

const handler: Handler = ({ payload }) => {
  const question = payload as Payload;
  if (isFailing(question)) throw new ActorError('FAILING', `no answer to ${question.seq}`);
  return answer(question);
};

function ask(client: Client): ClientSide['request'] {
  return (key, question) => client.requestKey<Payload>(key, 'Ask', question);
}

function askMany(client: Client): ClientSide['requestMany'] {
  return async (questions) => {
    const calls = questions.map((payload) => ({ key: payload.key, type: 'Ask', payload }));
    const rows = await client.requestMany<Payload>(calls);
    return rows.map((row) => (row.ok ? row.value : row.error.message));
  };
}
