/** Lists by hand: all questions for one node as one array of JSON in one NATS message, the answers likewise. */
import { connect, createInbox } from 'nats';
import type { Contender } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer, isFailing } from '../payload.ts';

export const natsMany: Contender = {
  name: 'nats-many',
  title: 'own lists',

  async startNode({ servers, prefix }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    nc.subscribe(nodeSubject(prefix), {
      callback: (error, msg) => {
        if (error !== null) throw error;
        const questions = JSON.parse(textOf(msg.data)) as Payload[];
        const replies = questions.map((question): Payload | string =>
          isFailing(question) ? `no answer to ${question.seq}` : answer(question),
        );
        msg.respond(Buffer.from(JSON.stringify(replies)));
      },
    });
    await nc.flush();
    return { close: () => nc.close() };
  },

  async startClient({ servers, prefix }) {
    const nc = await connect({ servers, noAsyncTraces: true });
    const inbox = createInbox();
    const waiting: ((replies: (Payload | string)[]) => void)[] = [];
    nc.subscribe(inbox, {
      callback: (error, msg) => {
        if (error !== null) throw error;
        waiting.shift()?.(JSON.parse(textOf(msg.data)) as (Payload | string)[]);
      },
    });
    await nc.flush();
    const requestMany = (questions: readonly Payload[]): Promise<(Payload | string)[]> =>
      new Promise((resolve) => {
        waiting.push(resolve);
        nc.publish(nodeSubject(prefix), Buffer.from(JSON.stringify(questions)), { reply: inbox });
      });
    return {
      requestMany,
      request: async (_key, question) => (await requestMany([question]))[0] as Payload,
      close: () => nc.close(),
    };
  },
};

function textOf(data: Uint8Array): string {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString();
}

/** There is one node, so it owns every key. */
function nodeSubject(prefix: string): string {
  return `${prefix}.node.1`;
}
