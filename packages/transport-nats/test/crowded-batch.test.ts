import { expect, test } from 'vitest';
import type { Msg } from 'nats';
import { openConnection } from '../src/connection.ts';
import { ReplyRoutes } from '../src/native-replies.ts';
import { resolveNatsOptions } from '../src/nats-options.ts';
import { NatsServing } from '../src/nats-serving.ts';
import { createStats } from '../src/stats.ts';
import { WaitingReplies } from '../src/waiting-replies.ts';
import { scriptedConnection } from './scripted-connection.ts';
import { echo, readFrame, receiver, requestFrame } from './wire.ts';

test('a batch of more than 1,024 entries is refused as a whole, in one message, and runs nothing', async () => {
  const scripted = scriptedConnection();
  const options = resolveNatsOptions({ connection: scripted.nats });
  const connection = await openConnection(options);
  const stats = createStats();
  const waiting = new WaitingReplies(connection, options, stats);
  const routes = new ReplyRoutes(connection, stats, 'clstr.node.n1.a', ['_INBOX'], waiting);
  let arrivals = 0;
  const node = receiver((arrival) => {
    arrivals++;
    echo().onEntry(arrival.entry, arrival.port);
  });
  new NatsServing(connection, options, stats, { shard: 1 }, node, routes, () => undefined);
  const deliver = scripted.subscriptions.get('clstr.shard.1')!;
  const send = (entries: number, reply: string): void => {
    const data = requestFrame(...Array.from({ length: entries }, () => ({})));
    deliver(null, { data, reply, subject: 'clstr.shard.1' } as Msg);
  };

  send(1_025, '_INBOX.a.1');
  send(1_025, '');
  expect(arrivals).toBe(0);
  expect(scripted.published.map(({ subject, data }) => [subject, readFrame(data)])).toEqual([
    ['_INBOX.a.1', ['batch error INVALID_ENVELOPE']],
  ]);
  expect(stats.malformed).toBe(2);
  send(1_024, '_INBOX.a.2');
  expect(arrivals).toBe(1_024);
});
