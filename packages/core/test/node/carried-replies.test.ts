import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodePart, decodeQuestion, encodePart } from '../../src/node/carried-replies.ts';
import type { CarriedReply } from '../../src/node/carried-replies.ts';
import { keptError } from '../../src/node/kept-reply.ts';
import { ActorError, ClstrError } from '../../src/base/errors.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { entryOf } from '../entry.ts';
import { KeyedDispatch, STARTED_MS } from './keyed-dispatch.ts';

const FORMER = { address: nodeAddress('n0', 'run')!, secret: 'secret' };

const reply = fc.oneof(
  fc.string({ unit: 'binary' }).map((payload) => ({ payload, isRaw: false, error: undefined })),
  fc.uint8Array({ maxLength: 50_000 }).map((payload) => ({ payload, isRaw: true, error: undefined })),
  fc.string().map((text) => keptError(new ActorError('NO', text, { text }))),
  fc.constant(keptError(new ClstrError('HANDLER_TIMEOUT', 'slow'))),
);

test('replies arrive as they were, in parts', () => {
  const carried = fc.record({ key: fc.string({ minLength: 1 }), fingerprint: fc.string(), reply });
  fc.assert(
    fc.property(fc.array(carried, { maxLength: 20 }), (replies) => {
      const arrived: CarriedReply[] = [];
      for (let from: number | undefined = 0, parts = 0; from !== undefined; parts++) {
        expect(parts).toBeLessThanOrEqual(replies.length);
        const { text, isLast } = encodePart(replies, from, 7);
        const part = decodePart(JSON.parse(text));
        expect([part.completeForMs, part.next === undefined]).toEqual([7, isLast]);
        arrived.push(...part.replies);
        from = part.next;
      }
      expect(arrived).toEqual(replies);
    }),
  );
});

test.each([
  null,
  {},
  { replies: 5, completeForMs: 1 },
  { replies: [], completeForMs: -1 },
  { replies: [], completeForMs: '1' },
  { replies: [], completeForMs: 1, next: 'x' },
  { replies: [['key']], completeForMs: 1 },
  { replies: ['key'], completeForMs: 1 },
])('what is not a part is refused: %j', (part) => {
  expect(() => decodePart(part)).toThrow(TypeError);
});

test.each([undefined, null, 5, { secret: 's' }, { secret: 5, from: 0 }, { secret: 's', from: -1 }])(
  'what is no question has no answer: %j',
  (question) => {
    expect(decodeQuestion(question)).toBeUndefined();
  },
);

/** A node with one reply, which it hands over; and what the next owner gets for the secret. */
async function handedOver() {
  const node = new KeyedDispatch();
  node.send('order-1');
  await node.end(0, 'done');
  node.clock.advance(1_000);
  const secret = node.dispatch.idempotency.release(1)!;
  const ask = (payload: unknown, fields: object = {}): unknown => {
    const entry = entryOf({ type: 'clstr.replies', payload: JSON.stringify(payload), shard: 9, ...fields });
    node.dispatch.onEntry(entry, node.port);
    return node.answerTo(entry.attempt);
  };
  return { node, secret, ask };
}

describe('the former owner', () => {
  test('answers the question of the next owner, also while it drains', async () => {
    const { node, secret, ask } = await handedOver();
    node.dispatch.stopAdmitting();
    const part = decodePart(JSON.parse(ask({ secret, from: 0 }) as string));
    expect(part.replies).toMatchObject([{ key: 'order-1', reply: { payload: '"done"' } }]);
    expect(part.completeForMs).toBe(STARTED_MS + 1_000);
    expect(part.next).toBeUndefined();
  });

  test('answers nobody who does not know the secret, and no notify', async () => {
    const { node, secret, ask } = await handedOver();
    expect(ask({ secret: 'guess', from: 0 })).toBe('NOT_OWNER not-executed');
    expect(ask(null)).toBe('NOT_OWNER not-executed');
    expect(ask({ secret, from: 0, more: 'x'.repeat(500) })).toBe('NOT_OWNER not-executed');
    const { length } = node.port.answers;
    ask({ secret, from: 0 }, { isNotify: true });
    expect(node.port.answers).toHaveLength(length);
  });

  test('knows when everything was fetched, and answers again for a while', async () => {
    const { node, secret, ask } = await handedOver();
    let isFetched = false;
    void node.dispatch.idempotency.handedOver.whenFetched().then(() => (isFetched = true));
    await Promise.resolve();
    expect(isFetched).toBe(false);
    ask({ secret, from: 0 });
    await Promise.resolve();
    expect(isFetched).toBe(true);
    expect(ask({ secret, from: 0 })).toContain('order-1');
    node.clock.advance(5_000);
    expect(ask({ secret, from: 0 })).toBe('NOT_OWNER not-executed');
  });

  test('hands over a key whose handler runs on without a reply', () => {
    const node = new KeyedDispatch();
    node.send('order-1', { ttlMs: 1_000 });
    node.clock.advance(2_000);
    const { idempotency } = node.dispatch;
    const text = idempotency.handedOver.answer({ secret: idempotency.release(1), from: 0 });
    const [carried] = decodePart(JSON.parse(text!)).replies;
    expect(carried?.reply.error).toMatchObject({ code: 'REPLY_LOST', outcome: 'unknown' });
  });

  test('has nothing for the next owner if no keys were used', () => {
    expect(new KeyedDispatch().dispatch.idempotency.release(1)).toBeUndefined();
  });
});

describe('the next owner', () => {
  /** It has got the shard, and asks for the replies. */
  function acquired() {
    const node = new KeyedDispatch();
    node.dispatch.idempotency.acquired(1, FORMER);
    const answer = (part: unknown, question = node.asked.at(-1)!): void => {
      question.onReply({ error: undefined, payload: JSON.stringify(part), isRaw: false, from: undefined });
    };
    return { node, answer };
  }
  const LONG = { replies: [], completeForMs: 900_000 };

  test('lets repeats that may have run wait for the answer, and new calls run', async () => {
    const { node, answer } = acquired();
    const repeat = node.send('order-1', {}, 100);
    node.send('order-2');
    expect([node.answerTo(repeat), node.gates.length, node.dispatch.inFlight]).toEqual([undefined, 1, 2]);
    const fingerprint = await fingerprintOfDefault();
    answer({ ...LONG, replies: [['order-1', fingerprint, false, '"done"', null, null]] });
    expect(node.answerTo(repeat)).toBe('"done"');
    expect([node.gates.length, node.dispatch.inFlight]).toEqual([1, 1]);
  });

  test('runs a repeat that the former owner, too, does not know', () => {
    const { node, answer } = acquired();
    node.send('order-1', { payload: new TextEncoder().encode('5') }, 100);
    answer(LONG);
    expect(node.gates).toHaveLength(1);
  });

  test('does not run one that is older than what the former owner knew', () => {
    const { node, answer } = acquired();
    const repeat = node.send('order-1', {}, 100);
    answer({ replies: [], completeForMs: 5_000 });
    expect([node.answerTo(repeat), node.gates.length]).toEqual(['REPLY_LOST unknown', 0]);
  });

  test('keeps its own record of a key that ran here meanwhile', async () => {
    const { node, answer } = acquired();
    node.send('order-1');
    await node.end(0, 'here');
    answer({ ...LONG, replies: [['order-1', 'other', false, '"there"', null, null]] });
    expect(node.answerTo(node.send('order-1'))).toBe('"here"');
  });

  test.each([
    ['refuses', (node: KeyedDispatch) => refuse(node, 3)],
    ['answers nonsense', (node: KeyedDispatch) => nonsense(node, 3)],
    ['does not answer', (node: KeyedDispatch) => node.clock.advance(1_500)],
    ['is not there', (node: KeyedDispatch) => fail(node, 3)],
  ])('loses the replies if the former one %s', (_what, end) => {
    const { node } = acquired();
    const repeat = node.send('order-1', {}, 100);
    end(node);
    expect(node.asked).toHaveLength(3);
    expect([node.answerTo(repeat), node.dispatch.inFlight]).toEqual(['REPLY_LOST unknown', 0]);
  });

  test('asks again for an answer that was lost', () => {
    const { node, answer } = acquired();
    const repeat = node.send('order-1', {}, 100);
    node.clock.advance(500);
    answer(LONG, node.asked[0]);
    expect(node.gates).toHaveLength(0);
    answer(LONG);
    expect([node.answerTo(repeat), node.gates.length]).toEqual([undefined, 1]);
  });

  test('asks for the parts one after the other', () => {
    const { node, answer } = acquired();
    answer({ ...LONG, next: 4 });
    expect(JSON.parse(String(node.asked[1]!.payload))).toEqual({ secret: 'secret', from: 4 });
    answer({ ...LONG, next: 4 }); // does not go on: it would never end
    expect(node.asked).toHaveLength(2);
  });

  test('forgets the question when it loses the shard', () => {
    const { node, answer } = acquired();
    const repeat = node.send('order-1', {}, 100);
    node.dispatch.idempotency.dropped(1);
    expect(node.dispatch.inFlight).toBe(0);
    answer({ ...LONG, replies: [['order-9', '', false, '"done"', null, null]] });
    expect(node.answerTo(repeat)).toBe('REPLY_LOST unknown');
    node.send('order-9');
    expect(node.gates).toHaveLength(1);
  });

  test('answers what waits when it closes', async () => {
    const { node } = acquired();
    const repeat = node.send('order-1', {}, 100);
    await node.dispatch.abortRunning(new ClstrError('ABORTED', 'closed'));
    expect(node.answerTo(repeat)).toBe('DRAINING not-executed');
  });
});

/** The fingerprint of what tests send by default. */
async function fingerprintOfDefault(): Promise<string> {
  const node = new KeyedDispatch();
  node.send('order-1');
  await node.end(0, 'done');
  const secret = node.dispatch.idempotency.release(1)!;
  return decodePart(JSON.parse(node.dispatch.idempotency.handedOver.answer({ secret, from: 0 })!)).replies[0]!
    .fingerprint;
}

function refuse(node: KeyedDispatch, times: number): void {
  const error = new ClstrError('NOT_OWNER', 'no');
  for (let i = 0; i < times; i++) {
    node.asked.at(-1)!.onReply({ error, payload: '', isRaw: false, from: undefined });
  }
}

function nonsense(node: KeyedDispatch, times: number): void {
  for (let i = 0; i < times; i++) {
    node.asked.at(-1)!.onReply({ error: undefined, payload: '{', isRaw: false, from: undefined });
  }
}

function fail(node: KeyedDispatch, times: number): void {
  for (let i = 0; i < times; i++) node.asked.at(-1)!.onError(new ClstrError('NO_SUBSCRIBER', 'gone'));
}
