import { describe, expect, test } from 'vitest';
import { ActorError, ClstrError, asRefusal } from '../../src/base/errors.ts';
import { MAX_KEPT_BYTES } from '../../src/node/kept-reply.ts';
import { TRANSIT_MS } from '../../src/wire/idempotency.ts';
import { entryOf } from '../entry.ts';
import { KEY, KeyedDispatch, MAY_HAVE_RUN } from './keyed-dispatch.ts';

const KEEP_MS = 120_000;

describe('a repeat', () => {
  test('is answered with the first reply, and its handler does not run again', async () => {
    const node = new KeyedDispatch();
    const first = node.send('order-1');
    await node.end(0, { total: 7 });
    const second = node.send('order-1');
    expect([node.answerTo(first), node.answerTo(second)]).toEqual(['{"total":7}', '{"total":7}']);
    expect(node.gates).toHaveLength(1);
    expect(node.repeats).toEqual(['replayed']);
  });

  test('that comes while the first runs waits for the same reply', async () => {
    const node = new KeyedDispatch();
    const attempts = [node.send('order-1'), node.send('order-1'), node.send('order-1', {}, 100)];
    expect(node.dispatch.inFlight).toBe(3);
    await node.end(0, 'done');
    expect(attempts.map((attempt) => node.answerTo(attempt))).toEqual(Array(3).fill('"done"'));
    expect(node.gates).toHaveLength(1);
    expect(node.dispatch.inFlight).toBe(0);
    expect(node.repeats).toEqual(['joined', 'joined']);
  });

  test('gets the error with which the handler failed, whole', async () => {
    const node = new KeyedDispatch();
    const first = node.send('order-1');
    const joined = node.send('order-1');
    await node.fail(0, new ActorError('SOLD_OUT', 'no more', { left: 0 }));
    const replayed = node.send('order-1');
    for (const attempt of [first, joined, replayed]) {
      const answer = node.port.answers.find((one) => one.attempt === attempt);
      expect(answer?.error).toMatchObject({
        code: 'ACTOR_ERROR',
        actorCode: 'SOLD_OUT',
        message: 'no more',
        outcome: 'executed',
        details: { left: 0 },
      });
    }
    expect(node.gates).toHaveLength(1);
  });

  test('gets raw bytes back as raw bytes', async () => {
    const node = new KeyedDispatch();
    node.send('order-1');
    await node.end(0, Uint8Array.of(1, 2));
    node.send('order-1');
    expect(node.port.last).toMatchObject({ value: Uint8Array.of(1, 2), isRaw: true });
  });

  test('of a notify runs once, and is not answered', async () => {
    const node = new KeyedDispatch();
    node.send('order-1', { isNotify: true });
    node.send('order-1', { isNotify: true });
    await node.end(0, 'done');
    node.send('order-1', { isNotify: true });
    expect(node.gates).toHaveLength(1);
    expect(node.port.answers).toEqual([]);
    expect(node.dispatch.inFlight).toBe(0);
  });

  test('in another shard is another call', () => {
    const node = new KeyedDispatch();
    node.send('order-1', { shard: 1 });
    node.send('order-1', { shard: 3 });
    expect(node.gates).toHaveLength(2);
  });
});

describe('a handler that keeps replies by itself', () => {
  test('gets each keyed call of its types, and what it needs to know of it', () => {
    const node = new KeyedDispatch({}, undefined, (type) => type === 'Keep');
    node.send('order-1', { type: 'Keep' });
    node.send('order-1', { type: 'Keep' }, 200);
    const [first, repeat] = node.contexts;
    expect(first).toMatchObject({ idempotencyKey: 'order-1', mayHaveRunMs: undefined });
    expect(repeat).toMatchObject({ idempotencyKey: 'order-1', mayHaveRunMs: 200 + TRANSIT_MS });
    expect(node.repeats).toEqual([]);
    node.send('order-2', { type: 'Add' });
    node.send('order-2', { type: 'Add' });
    expect(node.gates).toHaveLength(3);
    expect(node.repeats).toEqual(['joined']);
  });

  test('gets no call whose key no client sends', () => {
    const node = new KeyedDispatch({}, undefined, () => true);
    expect(node.answerTo(node.send('a\nb'))).toBe('INVALID_ENVELOPE not-executed');
    expect(node.gates).toHaveLength(0);
  });
});

describe('a key that names another call', () => {
  test.each([
    ['type', { type: 'Put' }],
    ['payload', { payload: '2' }],
    ['form of payload', { isRaw: true }],
  ])('is refused when it has another %s, while the first runs and after it', async (_what, other) => {
    const node = new KeyedDispatch();
    node.send('order-1');
    const early = node.send('order-1', other);
    await node.end(0, 'done');
    const late = node.send('order-1', other);
    const refused = 'IDEMPOTENCY_KEY_REUSED not-executed';
    expect([node.answerTo(early), node.answerTo(late)]).toEqual([refused, refused]);
    expect(node.gates).toHaveLength(1);
    expect(node.repeats).toEqual(['reused', 'reused']);
    expect(node.metrics.calls).toContainEqual(['messageRefused', 'IDEMPOTENCY_KEY_REUSED']);
  });

  test('is refused when it has another routing key', () => {
    const node = new KeyedDispatch();
    const [a, b] = twoKeysOfOneShard(node);
    node.send('order-1', a);
    expect(node.answerTo(node.send('order-1', b))).toBe('IDEMPOTENCY_KEY_REUSED not-executed');
  });

  test('is a repeat when only the form in which the transport has the payload differs', async () => {
    const node = new KeyedDispatch();
    node.send('order-1', { payload: '"ä"' });
    node.send('order-1', { payload: new TextEncoder().encode('"ä"') });
    expect(node.repeats).toEqual(['joined']);
  });
});

/** Two routing keys with one home, and what a message to each needs. */
function twoKeysOfOneShard(node: KeyedDispatch) {
  const { router } = node.dispatch.options;
  const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`).filter((key) => router.shardOf(key) === 1);
  return keys.slice(0, 2).map((key) => ({ key, shard: 1 }));
}

describe('a message that was refused before its handler ran', () => {
  test('leaves no record: a repeat runs', async () => {
    const node = new KeyedDispatch();
    const first = node.send('order-1');
    const joined = node.send('order-1');
    node.contexts[0]!.refuse(new ClstrError('OVERLOADED', 'the mailbox is full'));
    expect([node.answerTo(first), node.answerTo(joined)]).toEqual(Array(2).fill('OVERLOADED not-executed'));
    node.send('order-1');
    expect(node.gates).toHaveLength(2);
    await node.end(1, 'done');
    expect(node.port.last?.value).toBe('"done"');
  });

  test('by a layer that throws a refusal leaves none either', async () => {
    const node = new KeyedDispatch();
    node.send('order-1');
    await node.fail(0, asRefusal(new ClstrError('MOVED', 'moving')));
    node.send('order-1');
    expect(node.gates).toHaveLength(2);
  });

  test('because it is malformed leaves none', () => {
    const node = new KeyedDispatch();
    expect(node.answerTo(node.send('order-1', { payload: '{' }))).toBe('INVALID_ENVELOPE not-executed');
    node.send('order-1', { payload: '{}' });
    expect(node.gates).toHaveLength(1);
  });
});

describe('a repeat that may have run', () => {
  test('runs when the node has known all keys since long before its first attempt', () => {
    const node = new KeyedDispatch();
    node.send('order-1', {}, 500);
    expect(node.gates).toHaveLength(1);
  });

  test.each([
    ['is lost if its first attempt left before the node had the shard', -1, 'REPLY_LOST unknown', 0],
    ['is lost if a slow message may have left before that', TRANSIT_MS - 1, 'REPLY_LOST unknown', 0],
    ['runs if even a slow message has left after that', TRANSIT_MS, undefined, 1],
  ])('%s', (_what, sinceMs, answer, runs) => {
    const node = new KeyedDispatch();
    node.dispatch.idempotency.acquired(1, undefined);
    node.clock.advance(2 * TRANSIT_MS);
    const attempt = node.send('order-1', {}, 2 * TRANSIT_MS - sinceMs);
    expect([node.answerTo(attempt), node.gates.length]).toEqual([answer, runs]);
    expect(node.repeats).toEqual(answer === undefined ? [] : ['lost']);
  });

  test('is lost after the node lost the shard and has it again', async () => {
    const node = new KeyedDispatch();
    node.send('order-1');
    await node.end(0, 'done');
    node.dispatch.idempotency.dropped(1);
    node.dispatch.idempotency.acquired(1, undefined);
    expect(node.answerTo(node.send('order-1', {}, 100))).toBe('REPLY_LOST unknown');
  });

  test('is lost after the process may have stood still, as messages may be older than they say', () => {
    const node = new KeyedDispatch();
    node.dispatch.idempotency.onStall();
    expect(node.answerTo(node.send('order-1', {}, 100))).toBe('REPLY_LOST unknown');
  });

  test('is lost if the message has no time budget, from which its age is counted', () => {
    const node = new KeyedDispatch();
    expect(node.answerTo(node.send('order-1', { ttlMs: undefined }, 100))).toBe('REPLY_LOST unknown');
  });

  test.each(['', '-1', '1e3', 'yes', '9'.repeat(400)])('is lost if the header says %j', (value) => {
    const node = new KeyedDispatch();
    const headers = { [KEY]: 'order-1', [MAY_HAVE_RUN]: value };
    expect(node.answerTo(node.send('', { headers }))).toBe('REPLY_LOST unknown');
    expect(node.gates).toHaveLength(0);
  });

  test('that is a notify does not run, and is not answered', () => {
    const node = new KeyedDispatch();
    node.dispatch.idempotency.acquired(1, undefined);
    node.send('order-1', { isNotify: true }, 100);
    expect([node.gates.length, node.port.answers, node.repeats]).toEqual([0, [], ['lost']]);
  });
});

describe('a key that the node has forgotten', () => {
  test.each([
    ['because it is old', {}, (node: KeyedDispatch) => node.clock.advance(KEEP_MS)],
    ['for newer keys of its shard', { maxKeysPerShard: 2 }, (node: KeyedDispatch) => endMore(node, 2)],
    ['for newer bytes', { maxBytes: 1_000 }, (node: KeyedDispatch) => endMore(node, 4)],
  ])('%s never runs again', async (_why, options, forget) => {
    const node = new KeyedDispatch(options);
    node.send('order-1');
    await node.end(0, 'done');
    await forget(node);
    const runs = node.gates.length;
    const attempts = [node.send('order-1'), node.send('order-1', {}, 100), node.send('order-1', {}, 1)];
    expect(attempts.map((attempt) => node.answerTo(attempt))).toEqual(Array(3).fill('REPLY_LOST unknown'));
    expect(node.gates).toHaveLength(runs);
    expect(node.repeats).toEqual(['lost', 'lost', 'lost']);
  });

  test('leaves the keys after it', async () => {
    const node = new KeyedDispatch({ maxKeysPerShard: 2 });
    await endMore(node, 3);
    expect(node.answerTo(node.send('more-0'))).toBe('REPLY_LOST unknown');
    expect(['more-1', 'more-2'].map((key) => node.answerTo(node.send(key)))).toEqual(['"done"', '"done"']);
  });

  test('is kept for its whole time after its reply', async () => {
    const node = new KeyedDispatch();
    node.send('order-1', { ttlMs: 60_000 });
    node.clock.advance(50_000);
    await node.end(0, 'done');
    node.clock.advance(KEEP_MS - 1);
    expect(node.answerTo(node.send('order-1'))).toBe('"done"');
  });

  test('while its handler runs is not possible: its message is one of those that the node limits', async () => {
    const node = new KeyedDispatch({ maxKeysPerShard: 1 });
    node.send('order-1', { ttlMs: 60_000 });
    await endMore(node, 3);
    const joined = node.send('order-1', { ttlMs: 60_000 });
    await node.end(0, 'done');
    expect(node.answerTo(joined)).toBe('"done"');
  });

  test('arms one timer, and none once the node is closed', async () => {
    const node = new KeyedDispatch();
    await endMore(node, 5);
    node.clock.advance(1_000);
    expect(node.clock.pendingTimers).toBe(1);
    await node.dispatch.abortRunning(new ClstrError('ABORTED', 'closed'));
    expect(node.clock.pendingTimers).toBe(0);
  });
});

async function endMore(node: KeyedDispatch, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    node.send(`more-${i}`, { shard: 1 });
    await node.end(node.gates.length - 1, 'done');
  }
}

test('a reply that is too large to keep is not sent again, and its call does not run again', async () => {
  const node = new KeyedDispatch();
  const large = 'x'.repeat(MAX_KEPT_BYTES);
  const first = node.send('order-1');
  const joined = node.send('order-1');
  await node.end(0, large);
  expect([node.answerTo(first), node.answerTo(joined)]).toEqual([`"${large}"`, `"${large}"`]);
  expect(node.answerTo(node.send('order-1'))).toBe('REPLY_LOST executed');
  expect(node.gates).toHaveLength(1);
});

describe('a handler that outlives its caller', () => {
  test('gives its reply to the repeats that wait for it, and to later ones', async () => {
    const node = new KeyedDispatch();
    const first = node.send('order-1', { ttlMs: 1_000 });
    node.clock.advance(2_000);
    expect(node.answerTo(first)).toBe('HANDLER_TIMEOUT unknown');
    const joined = node.send('order-1');
    await node.end(0, 'late');
    expect([node.answerTo(joined), node.answerTo(node.send('order-1'))]).toEqual(['"late"', '"late"']);
    expect(node.gates).toHaveLength(1);
  });

  test('keeps a repeat waiting no longer than its own time', async () => {
    const node = new KeyedDispatch();
    node.send('order-1', { ttlMs: 1_000 });
    node.clock.advance(2_000);
    const joined = node.send('order-1', { ttlMs: 1_000 });
    node.clock.advance(2_000);
    expect(node.answerTo(joined)).toBe('HANDLER_TIMEOUT unknown');
    expect(node.dispatch.inFlight).toBe(0);
    await node.end(0, 'late');
    expect(node.answerTo(node.send('order-1'))).toBe('"late"');
  });

  test('and fails in the end has failed for all repeats', async () => {
    const node = new KeyedDispatch();
    node.send('order-1', { ttlMs: 1_000 });
    node.clock.advance(2_000);
    await node.fail(0, new ActorError('SOLD_OUT', 'no more'));
    expect(node.answerTo(node.send('order-1'))).toBe('ACTOR_ERROR executed');
  });

  test('and returns what cannot be sent was executed', async () => {
    const node = new KeyedDispatch();
    node.send('order-1', { ttlMs: 1_000 });
    node.clock.advance(2_000);
    await node.end(0, 1n);
    expect(node.answerTo(node.send('order-1'))).toBe('REPLY_LOST executed');
  });
});

describe('a caller that gives up', () => {
  test('ends the handler if it is the only one', () => {
    const node = new KeyedDispatch();
    const attempt = node.send('order-1');
    node.dispatch.onCancel(7, attempt);
    expect(node.contexts[0]!.signal.aborted).toBe(true);
  });

  test('does not end it while others wait for its reply', async () => {
    const node = new KeyedDispatch();
    const first = node.send('order-1');
    const joined = node.send('order-1');
    node.dispatch.onCancel(7, first);
    expect(node.contexts[0]!.signal.aborted).toBe(false);
    await node.end(0, 'done');
    expect(node.answerTo(joined)).toBe('"done"');
  });
});

describe('an owner that has lost its lease', () => {
  test('answers nobody with a reply', async () => {
    const node = new KeyedDispatch();
    const attempts = [node.send('order-1'), node.send('order-1')];
    node.isHeld = false;
    await node.end(0, 'done');
    expect(attempts.map((attempt) => node.answerTo(attempt))).toEqual(Array(2).fill('FENCED unknown'));
  });

  test('has the reply if the lease is renewed', async () => {
    const node = new KeyedDispatch();
    node.send('order-1');
    node.isHeld = false;
    await node.end(0, 'done');
    node.isHeld = true;
    expect(node.answerTo(node.send('order-1'))).toBe('"done"');
  });
});

test('a node that closes answers the repeats that wait', async () => {
  const node = new KeyedDispatch();
  const first = node.send('order-1', { ttlMs: 1_000 });
  node.clock.advance(2_000);
  const joined = node.send('order-1');
  node.dispatch.stopAdmitting();
  const idle = node.dispatch.whenIdle();
  await node.dispatch.abortRunning(new ClstrError('ABORTED', 'closed'));
  await idle;
  expect([node.answerTo(first), node.answerTo(joined)]).toEqual([
    'HANDLER_TIMEOUT unknown',
    'REPLY_LOST unknown',
  ]);
});

test.each(['', 'a\nb', 'x'.repeat(256), 'ä'.repeat(128), '\ud800'])('the key %j is refused', (key) => {
  const node = new KeyedDispatch();
  expect(node.answerTo(node.send(key))).toBe('INVALID_ENVELOPE not-executed');
  expect(node.gates).toHaveLength(0);
});

test('the handler sees the key in its context, and no header of it', () => {
  const node = new KeyedDispatch();
  node.send('order-1');
  node.dispatch.onEntry(entryOf(), node.port);
  expect(node.contexts.map(({ idempotencyKey }) => idempotencyKey)).toEqual(['order-1', undefined]);
});
