import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { ClstrError } from '../../src/base/errors.ts';
import { createClient } from '../../src/client/client.ts';
import { defaults } from '../../src/base/defaults.ts';
import type { ClientOptions } from '../../src/index.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const STEP_MS = 50;
/** The longest pause between two tries, and a question. */
const TRY_MS = 1_200;

const refused = (): ClstrError => new ClstrError('NO_SUBSCRIBER', 'nobody there');
const unowned = (...groups: unknown[]) => ({ clusterId: 'c', owners: [], unowned: groups });

/** A client of a dynamic cluster whose bus finds no node for shard 3, and whose nodes answer with `answer`. */
function start(answer: object | undefined, options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const random = { bytes: (count: number) => new Uint8Array(count).fill(255) };
  const client = createClient({ transport, clock, random, numShards: 16, routing: 'topology', ...options });
  const world = { answer };
  let seen = 0;
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= STEP_MS) {
      for (; seen < transport.sent.length; seen++) {
        const sent = transport.sent[seen]!;
        if (sent.entry.type !== 'clstr.topology') sent.refuse(refused());
        else if (world.answer !== undefined) sent.reply(world.answer);
      }
      await clock.advance(STEP_MS);
    }
  };
  const call = (timeoutMs: number, idempotent = false) => {
    const ended: { error?: ClstrError; afterMs?: number } = {};
    const startMs = clock.monoMs();
    client.requestShard(3, 'Get', null, { timeoutMs, idempotent }).catch((error: unknown) => {
      Object.assign(ended, { error, afterMs: clock.monoMs() - startMs });
    });
    return ended;
  };
  return { transport, clock, client, pass, call, world };
}

describe('a call to a shard that no node owns', () => {
  test.each([
    [['new', '', [3]], undefined, 'it has never had an owner, and the first one waits'],
    [['restored', '', [2, 3]], undefined, 'the bucket was lost, and the next owner waits'],
    [['released', 'n2', [3]], 'n2', 'node n2 handed it over'],
    [['gone', 'n2', [3]], 'n2', 'its owner n2 was declared dead, left or restarted'],
  ])('fails as NO_OWNER long before its deadline, and says why: %j', async (group, nodeId, text) => {
    const { pass, call } = start(unowned(group));
    const ended = call(60_000);
    await pass(defaults.ownerWaitMs - STEP_MS);
    expect(ended.error).toBeUndefined();
    await pass(TRY_MS);
    expect(ended.error).toMatchObject({
      code: 'NO_OWNER',
      outcome: 'not-executed',
      retryable: true,
      message: expect.stringContaining(text),
      details: { reason: group[0], nodeId, unownedMs: expect.any(Number) },
    });
    expect(ended.error!.message).toMatch(
      /^"Get" for a shard cannot be delivered: no node has owned its shard for \d+ ms/,
    );
    expect(ended.error!.details!['unownedMs']).toBeGreaterThanOrEqual(defaults.ownerWaitMs - 2 * STEP_MS);
  });

  test('waits as long as the client was told to', async () => {
    const { pass, call } = start(unowned(['new', '', [3]]), { ownerWaitMs: 1_000 });
    const ended = call(60_000);
    await pass(1_000 + TRY_MS);
    expect(ended.error?.code).toBe('NO_OWNER');
    expect(ended.afterMs).toBeGreaterThanOrEqual(1_000);
  });

  test('says the same as a TIMEOUT, when its deadline comes first', async () => {
    const { pass, call } = start(unowned(['gone', 'n2', [3]]));
    const ended = call(2_000);
    await pass(2_200);
    expect(ended.error).toMatchObject({
      code: 'TIMEOUT',
      outcome: 'not-executed',
      message: expect.stringMatching(
        /^no reply to "Get" .* within 2000 ms; no node has owned its shard for .* owner n2/,
      ),
      details: { reason: 'gone', nodeId: 'n2' },
    });
  });

  test('does not end as not executed when an earlier attempt may have run', async () => {
    const { transport, pass, call } = start(unowned(['gone', 'n2', [3]]));
    await pass(STEP_MS);
    const ended = call(60_000, true);
    transport.last.leave().fail(new ClstrError('CONNECTION_LOST', 'gone'));
    await pass(defaults.ownerWaitMs + TRY_MS);
    expect(ended.error).toMatchObject({ code: 'NO_OWNER', outcome: 'unknown', retryable: false });
  });

  test('goes on as soon as the nodes know an owner, and waits again when that is gone too', async () => {
    const { transport, pass, call, world } = start(unowned(['new', '', [3]]));
    const ended = call(60_000);
    await pass(3_000);
    world.answer = { clusterId: 'c', owners: [[3, 1, 'a', 'i']], unowned: [] };
    await pass(defaults.ownerWaitMs);
    expect(ended.error).toBeUndefined();
    expect(transport.sent.some(({ to }) => 'nodeId' in to && to.nodeId === 'a')).toBe(true);
  });
});

describe('a call that is refused', () => {
  test.each([
    ['by a cluster whose nodes name an owner', { clusterId: 'c', owners: [[3, 1, 'a', 'i']], unowned: [] }],
    ['by a cluster of an earlier build', { clusterId: 'c', owners: [] }],
    ['while no node answers questions', undefined],
    ['by nodes that speak of another shard', unowned(['new', '', [4]])],
    [
      'by nodes that give no known reason',
      unowned(['asleep', '', [3]], 'all', [3], ['new', '', 3], ['new', '', ['3', -1]]),
    ],
  ])('%s waits for its deadline', async (_by, answer) => {
    const { pass, call } = start(answer);
    const ended = call(8_000);
    await pass(8_200);
    expect(ended.error).toMatchObject({ code: 'TIMEOUT', details: undefined });
  });

  test('is not judged by what a node said before it began', async () => {
    const { pass, call, world } = start(unowned(['new', '', [3]]));
    await pass(500);
    world.answer = undefined;
    const ended = call(8_000);
    await pass(8_200);
    expect(ended.error).toMatchObject({ code: 'TIMEOUT', details: undefined });
  });
});
