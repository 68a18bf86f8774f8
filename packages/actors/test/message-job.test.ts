import { describe, expect, test } from 'vitest';
import { actorHandler } from '@clstr/actors';
import { ClstrError } from '@clstr/core';
import { noMetrics } from '@clstr/core/internal';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';
import { contextOf, requestOf } from './handler-call.ts';

describe('a message that waits in a mailbox', () => {
  test('is refused as ENVELOPE_EXPIRED, not executed, when its time is over, and never runs', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { node: { handlerTimeoutMs: 1_000 } });
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const answers = watch([ref.write('a'), ref.write('b'), ref.write('c')]);
    await node.clock.advance(1_020);
    expect(answers[1]).toEqual({
      code: 'ENVELOPE_EXPIRED',
      outcome: 'not-executed',
      message:
        '"cell.write" waited in the mailbox of key "k" until its deadline passed, behind "cell.write", which arrived 950 ms ago',
    });
    gate.resolve();
    await node.settled();
    expect(script.events).not.toContain('+b');
    expect(await ref.write('d')).toBe('d');
    expect(script.state().written).toEqual(['a', 'd']);
  });

  test('counts its wait apart from the time that its handler takes', async () => {
    const script = cell();
    const ended: unknown[][] = [];
    const metrics = { ...noMetrics, handlerEnded: (...args: unknown[]) => void ended.push(args) };
    const node = await actorNode([script.actor], { node: { metrics } });
    const ref = node.ref(Cell, 'k');
    const [first, second] = [script.hold('a'), script.hold('b')];
    watch([ref.write('a'), ref.write('b')]);
    await node.clock.advance(100);
    first.resolve();
    await node.clock.advance(7);
    second.resolve();
    await node.settled();
    expect(ended).toEqual([
      ['cell.write', true, 100, 0],
      ['cell.write', true, 7, 100],
    ]);
    await answerOf(node.client.requestKey('k', 'cell.made-up'));
    expect(ended.at(-1)).toEqual(['other', false, undefined, 0]);
  });

  test('is refused when its turn comes just after its time was over', () => {
    const script = cell();
    const handler = actorHandler([script.actor]);
    const gate = script.hold('setup');
    let remainingMs = 5;
    const context = { ...contextOf(), remainingMs: () => remainingMs };
    const call = handler(requestOf('k', { type: 'cell.write', payload: 'a' }), context);
    remainingMs = 0;
    gate.resolve();
    return expect(call)
      .rejects.toMatchObject({ code: 'ENVELOPE_EXPIRED', outcome: 'not-executed' })
      .then(() => expect(script.events).not.toContain('+a'));
  });

  test('leaves it when its caller gives up, and never runs', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const abort = new AbortController();
    const answers = watch([ref.write('a'), ref.write('b', { signal: abort.signal }), ref.write('c')]);
    await node.settled();
    abort.abort(new Error('the user closed the page'));
    await node.settled();
    expect(answers[1]).toMatchObject({ code: 'ABORTED' });
    expect(node.node.inFlight).toBe(2);
    gate.resolve();
    await node.settled();
    expect(script.events).not.toContain('+b');
    expect(answers[2]).toEqual({ value: 'c' });
  });

  test('leaves it while the actor is being set up, and while it stops', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    for (const step of ['setup', 'passivate']) {
      const gate = script.hold(step);
      if (step === 'passivate') {
        script.context('x').passivate();
        await node.settled();
      }
      const abort = new AbortController();
      const answers = watch([ref.write(`gone at ${step}`, { signal: abort.signal }), ref.write('x')]);
      await node.settled();
      abort.abort();
      await node.settled();
      gate.resolve();
      await node.settled();
      expect(answers).toMatchObject([{ code: 'ABORTED' }, { value: 'x' }]);
      expect(script.events).not.toContain(`+gone at ${step}`);
    }
  });

  test('fails as not executed when its node closes', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    script.hold('a');
    const answers = watch([ref.write('a'), ref.write('b')]);
    await node.settled();
    await node.drain(1_000);
    expect(answers).toMatchObject([
      { code: 'ABORTED', outcome: 'unknown' },
      {
        code: 'ABORTED',
        outcome: 'not-executed',
        message: expect.stringContaining('until it was aborted: node node-1 closed'),
      },
    ]);
    expect(script.events).not.toContain('+b');
  });

  test('is answered without a node too', async () => {
    const script = cell();
    const handler = actorHandler([script.actor]);
    script.hold('setup');
    const context = contextOf();
    const refused: unknown[] = [];
    const call = answerOf(
      handler(
        requestOf('k', { type: 'cell.write', payload: 'a' }),
        Object.assign(context, { refuse: (error: unknown) => void refused.push(error) }),
      ) as Promise<unknown>,
    );
    context.onAbort!(new ClstrError('ABORTED', 'the caller gave up'));
    expect(await call).toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
    expect(refused).toMatchObject([{ code: 'ABORTED', outcome: 'not-executed' }]);
  });

  test('notices an abort once it runs only by its signal', async () => {
    const script = cell();
    const handler = actorHandler([script.actor]);
    const setup = script.hold('setup');
    const gate = script.hold('a');
    const context = contextOf();
    const call = handler(requestOf('k', { type: 'cell.write', payload: 'a' }), context) as Promise<unknown>;
    setup.resolve();
    await setup.promise;
    await Promise.resolve();
    expect(script.events).toContain('+a');
    expect(context.onAbort).toBeUndefined();
    gate.resolve();
    expect(await call).toBe('a');
  });
});

test('5,000 messages that expire together are told apart from the one that runs, in a moment', async () => {
  const script = cell({ mailbox: 10_000 });
  const handler = actorHandler([script.actor]);
  script.hold('stuck');
  await handler(requestOf('k', { type: 'cell.write', payload: 'first' }), contextOf());
  void handler(requestOf('k', { type: 'cell.write', payload: 'stuck' }), contextOf());
  const contexts = Array.from({ length: 5_000 }, contextOf);
  const calls = contexts.map((context) =>
    answerOf(handler(requestOf('k', { type: 'cell.write', payload: 'x' }), context) as Promise<unknown>),
  );
  for (const context of contexts) context.onAbort!(new ClstrError('HANDLER_TIMEOUT', 'time is over'));
  const codes = (await Promise.all(calls)).map((answer) => ('code' in answer ? answer.code : 'answered'));
  expect(codes.filter((code) => code === 'ENVELOPE_EXPIRED')).toHaveLength(5_000);
});
