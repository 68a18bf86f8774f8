import { expect, test } from 'vitest';
import type { Msg } from 'nats';
import { natsTransport } from '../src/index.ts';
import { scriptedConnection } from './scripted-connection.ts';
import { SELF, echo, readFrame, receiver, requestFrame } from './wire.ts';

test('a batch of more than 1,024 entries is refused as a whole, in one message, and runs nothing', async () => {
  const scripted = scriptedConnection();
  const transport = await natsTransport({ connection: scripted.nats });
  const { stats } = transport;
  let arrivals = 0;
  const node = receiver((arrival) => {
    arrivals++;
    echo().onEntry(arrival.entry, arrival.port);
  });
  await transport.serve({ shard: 1 }, node, SELF);
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
