import { expect, test } from 'vitest';
import { systemClock } from '@clstr/core';
import type { Msg } from 'nats';
import { Bucket, readAck } from '../src/bucket.ts';
import type { ControlConnection, ControlRequest } from '../src/control-connection.ts';

const refused = (errCode: number): string =>
  JSON.stringify({ error: { code: 400, err_code: errCode, description: 'no' }, stream: 'KV_c', seq: 0 });

test.each([
  ['an acknowledgement', '{"stream":"KV_c","seq":17}', { kind: 'acked', revision: 17 }],
  ['the newest write is another', refused(10_071), { kind: 'lost' }],
  ['another write is in flight', refused(10_164), { kind: 'undecided' }],
  ['no leader of JetStream now', refused(10_008), { kind: 'unknown' }],
  ['an acknowledgement by another stream', '{"stream":"X","seq":17}', { kind: 'unknown' }],
  ['no revision', '{"stream":"KV_c"}', { kind: 'unknown' }],
  ['a revision that is none', '{"seq":"17"}', { kind: 'unknown' }],
  ['nothing', '', { kind: 'unknown' }],
  ['no object', 'null', { kind: 'unknown' }],
  ['what somebody else says', '+ACK', { kind: 'unknown' }],
])('the answer to a compare-and-set: %s', (_what, text, outcome) => {
  expect(readAck(new TextEncoder().encode(text), 'KV_c')).toEqual(outcome);
});

test('any other refusal of a compare-and-set comes with its reason, and decides nothing', () => {
  const outcome = readAck(new TextEncoder().encode(refused(10_077)), 'KV_c');
  expect(outcome).toMatchObject({
    kind: 'unknown',
    refusal: { code: 'STORE_REFUSED', message: 'JetStream refuses a write to KV_c: no' },
  });
});

/** A bucket whose every question has the same answer, and the subjects that it asked. */
function answering(answer: unknown): { bucket: Bucket; asked: string[] } {
  const asked: string[] = [];
  const control = {
    request: async ({ subject }: ControlRequest) => {
      asked.push(subject);
      return { json: () => answer } as Msg;
    },
  } as unknown as ControlConnection;
  return { bucket: new Bucket(control, 'c', systemClock), asked };
}

const CONSUMER = { deliverSubject: '_INBOX.a', filterSubject: '$KV.c.>', idleHeartbeatMs: 100 };

test.each(['x\r\n\r\nPUB admin 0\r\n\r\n', 'a.b', '>', '', 7, null, 'x'.repeat(65)])(
  'a consumer that the answer calls %j is none: the name would become a subject',
  async (name) => {
    const { bucket, asked } = answering({ name });
    await expect(bucket.consume(CONSUMER, 1_000)).rejects.toMatchObject({ code: 'CONNECTION_LOST' });
    expect(asked).toEqual(['$JS.API.CONSUMER.CREATE.KV_c']);
  },
);

test('a consumer has the name that the answer says', async () => {
  expect(await answering({ name: 'Bv7k-_9Q' }).bucket.consume(CONSUMER, 1_000)).toBe('Bv7k-_9Q');
});
