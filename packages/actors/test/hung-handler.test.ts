import { defineActor, request } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';

/** What callers allow; the node allows a handler more. */
const caller = { timeoutMs: 700 };
const node = { handlerTimeoutMs: 60_000 };

describe('a handler that never settles', () => {
  test('is logged once its time is over, with type, key and age, and listed until it ends', async () => {
    const script = cell();
    const one = await actorNode([script.actor], { caller, node });
    const gate = script.hold('x');
    const call = answerOf(one.ref(Cell, 'k').write('x'));
    await one.clock.advance(900);
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
    const { type, key, ageMs } = one.node.overdue()[0]!;
    expect([type, key, ageMs >= 800]).toEqual(['cell.write', 'k', true]);
    const warnings = one.nodeLines.filter(({ level }) => level === 'warn');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]!.message).toMatch(/^"cell.write" for key "k" \(shard \d\) has not ended after \d+ ms/);
    gate.resolve();
    await one.settled();
    expect(one.node.overdue()).toEqual([]);
  });

  test.each(['write', 'read'] as const)(
    'a %s: those behind it are refused before their own time is over, told what they waited for',
    async (method) => {
      const script = cell();
      const one = await actorNode([script.actor], { caller, node });
      const ref = one.ref(Cell, 'k');
      await ref.write('first');
      script.hold('secret');
      const hung = watch([ref[method]('secret', { timeoutMs: 60_000 })]);
      await one.clock.advance(1_000);
      const behind = answerOf(ref.write('x'));
      await one.clock.advance(699);
      const refused = (await behind) as { message: string };
      expect(refused).toMatchObject({ code: 'ENVELOPE_EXPIRED', outcome: 'not-executed' });
      expect(refused.message).toMatch(
        new RegExp(
          `^"cell.write" waited in the mailbox of key "k" until its deadline passed, behind "cell.${method}", which arrived 16\\d\\d ms ago$`,
        ),
      );
      expect(refused.message).not.toContain('secret');
      expect(hung).toEqual([undefined]);
      expect(script.events).not.toContain('+x');
    },
  );

  test('is named by a full mailbox, and when its node cannot wait for it any longer', async () => {
    const script = cell({ mailbox: 1 });
    const one = await actorNode([script.actor], { node });
    const ref = one.ref(Cell, 'k');
    script.hold('x');
    watch([ref.write('x'), ref.write('y')]);
    await one.clock.advance(500);
    expect(await answerOf(ref.write('z'))).toMatchObject({
      code: 'OVERLOADED',
      message: 'cell/k has 1 messages waiting (mailbox), behind "cell.write", which arrived 500 ms ago',
    });
    await one.drain(0);
    expect(one.lines.at(-1)!.message).toMatch(
      /^cell\/k did not become idle in time, behind "cell.write", which arrived \d+ ms ago$/,
    );
  });
});

describe('code that runs for no message', () => {
  test('is overdue once a message has waited behind it in vain: setup', async () => {
    const script = cell();
    const one = await actorNode([script.actor], { caller, node });
    const gate = script.hold('setup');
    const call = answerOf(one.ref(Cell, 'k').write('x'));
    await one.clock.advance(699);
    expect(await call).toMatchObject({
      code: 'ENVELOPE_EXPIRED',
      message: expect.stringMatching(/behind setup, which began 6\d\d ms ago$/) as string,
    });
    await one.clock.advance(200);
    expect(one.node.overdue()).toMatchObject([{ type: 'setup of cell', key: 'k' }]);
    expect(one.lines[0]!.message).toMatch(/^"setup of cell" for key "k"/);
    gate.resolve();
    await one.settled();
    expect(one.node.overdue()).toEqual([]);
  });

  test('is overdue once a message has waited behind it in vain: a timer', async () => {
    const script = cell();
    const one = await actorNode([script.actor], { caller, node });
    const gate = deferred();
    await one.ref(Cell, 'k').write('first');
    script.context('first').after(10, () => gate.promise);
    await one.clock.advance(10);
    const call = answerOf(one.ref(Cell, 'k').write('x'));
    await one.clock.advance(900);
    expect(await call).toMatchObject({ message: expect.stringContaining('behind a timer, which') as string });
    expect(one.node.overdue()).toMatchObject([{ type: 'a timer of cell', key: 'k' }]);
    gate.resolve();
    await one.settled();
    expect(one.node.overdue()).toEqual([]);
  });
});

test('a message whose turn comes within the margin before its time is over still runs', async () => {
  const Slow = defineActor('slow', { run: request<number, string>() });
  const slow = Slow.implement({
    setup: () => ({}),
    handlers: {
      run: async (_state, ms) => {
        const over = deferred();
        one.clock.timer(over.resolve, ms);
        await over.promise;
        return `ran ${ms}`;
      },
    },
  });
  const one = await actorNode([slow], { caller, node });
  const call = answerOf(one.ref(Slow, 'k').run(690));
  await one.clock.advance(690);
  expect(await call).toEqual({ value: 'ran 690' });
});
