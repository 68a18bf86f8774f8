/** Batching by hand: requests of one turn to one node in one NATS message, replies likewise. */
import { connect, createInbox } from 'nats';
import type { Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';
import { EntryBatch, readEntries } from './entry-batch.ts';

export const natsBatch: Contender = {
  name: 'nats-batch',
  title: 'own batching',

  async startNode({ servers, prefix }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    const replies = new Map<string, EntryBatch>();

    nc.subscribe(nodeSubject(prefix), {
      callback: (error, msg) => {
        if (error !== null) throw error;
        const inbox = msg.reply!;
        let batch = replies.get(inbox);
        if (batch === undefined) {
          batch = new EntryBatch(nc, inbox);
          replies.set(inbox, batch);
        }
        readEntries(msg.data, (id, question) => {
          batch.add(id, answer(question as Payload));
        });
      },
    });
    await nc.flush();
    return { close: () => nc.close() };
  },

  async startClient({ servers, prefix }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    const inbox = createInbox();
    const requests = new EntryBatch(nc, nodeSubject(prefix), { reply: inbox });
    const pending = new Map<number, (reply: Payload) => void>();
    let lastId = 0;

    nc.subscribe(inbox, {
      callback: (error, msg) => {
        if (error !== null) throw error;
        readEntries(msg.data, (id, reply) => {
          const resolve = pending.get(id);
          pending.delete(id);
          resolve?.(reply as Payload);
        });
      },
    });
    await nc.flush();

    return {
      request: (_key, question) =>
        new Promise((resolve) => {
          lastId = (lastId + 1) >>> 0;
          pending.set(lastId, resolve);
          requests.add(lastId, question);
        }),
      close: () => nc.close(),
    };
  },
};

/** There is one node, so it owns every key. */
function nodeSubject(prefix: string): string {
  return `${prefix}.node.1`;
}
