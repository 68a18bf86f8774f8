/** Reply multiplexing by hand: one inbox, a map of pending requests, one NATS message per request. */
import { connect, createInbox } from 'nats';
import type { Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { decodeJson, encodeJson } from './json-bytes.ts';
import { natsRequest } from './nats-request.ts';
import { createShardSubjects } from './shard-subject.ts';

export const natsMux: Contender = {
  name: 'nats-mux',
  title: 'own multiplexing',

  // The node needs no change: it answers to any reply subject.
  startNode: natsRequest.startNode!,

  async startClient({ servers, prefix, numShards }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    const subjectOf = createShardSubjects(prefix, numShards);
    const inbox = `${createInbox()}.`;
    const pending = new Map<string, (reply: Payload) => void>();
    let lastId = 0;

    nc.subscribe(`${inbox}*`, {
      callback: (error, msg) => {
        if (error !== null) throw error;
        const id = msg.subject.slice(inbox.length);
        const resolve = pending.get(id);
        pending.delete(id);
        resolve?.(decodeJson(msg.data));
      },
    });
    await nc.flush();

    return {
      request: (key, question) =>
        new Promise((resolve) => {
          const id = String((lastId += 1));
          pending.set(id, resolve);
          nc.publish(subjectOf(key), encodeJson(question), { reply: inbox + id });
        }),
      close: () => nc.close(),
    };
  },
};
