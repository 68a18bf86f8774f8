/** The plain way: `nc.request` to the shard's subject, a plain subscription that responds. */
import { connect } from 'nats';
import type { Contender } from '../contender.ts';
import { answer } from '../payload.ts';
import { decodeJson, encodeJson } from './json-bytes.ts';
import { createShardSubjects } from './shard-subject.ts';

export const natsRequest: Contender = {
  name: 'nats-request',
  title: 'nc.request',

  async startNode({ servers, prefix }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    nc.subscribe(`${prefix}.shard.*`, {
      callback: (error, msg) => {
        if (error !== null) throw error;
        msg.respond(encodeJson(answer(decodeJson(msg.data))));
      },
    });
    await nc.flush();
    return { close: () => nc.close() };
  },

  async startClient({ servers, prefix, numShards }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    const subjectOf = createShardSubjects(prefix, numShards);
    return {
      request: async (key, question) => {
        const reply = await nc.request(subjectOf(key), encodeJson(question), { timeout: 10_000 });
        return decodeJson(reply.data);
      },
      close: () => nc.close(),
    };
  },
};
