import { expect, test } from 'vitest';
import { readAck } from '../src/bucket.ts';

const refused = (errCode: number): string =>
  JSON.stringify({ error: { code: 400, err_code: errCode, description: 'no' }, stream: 'KV_c', seq: 0 });

test.each([
  ['an acknowledgement', '{"stream":"KV_c","seq":17}', { kind: 'acked', revision: 17 }],
  ['the newest write is another', refused(10_071), { kind: 'lost' }],
  ['another write is in flight', refused(10_164), { kind: 'undecided' }],
  ['no leader of JetStream now', refused(10_008), { kind: 'unknown' }],
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
