import { describe, expect, test } from 'vitest';
import { actorNode, watch } from './actor-node.ts';
import type { ActorNode, ActorNodeOptions } from './actor-node.ts';
import { Cell, cell } from './cell.ts';
import type { CellScript } from './cell.ts';

const TURN_MS = 100;

/** A node that has seen turns of `write` and `read` take 100 ms. */
async function trained(node: ActorNodeOptions['node'] = { shedding: {} }): Promise<[ActorNode, CellScript]> {
  const script = cell();
  const started = await actorNode([script.actor], { node });
  const ref = started.ref(Cell, 'teacher');
  for (const method of ['write', 'read'] as const) {
    const gate = script.hold(method);
    watch([ref[method](method)]);
    await started.clock.advance(TURN_MS);
    gate.resolve();
    await started.settled();
  }
  return [started, script];
}

describe('a message whose turn would come too late', () => {
  test('is refused when it arrives, with the turns ahead of it, and those before it run', async () => {
    const [node, script] = await trained();
    const ref = node.ref(Cell, 'k');
    const gates = ['a', 'b', 'c'].map((name) => script.hold(name));
    const timeoutMs = 3.5 * TURN_MS;
    const answers = watch(['a', 'b', 'c', 'd', 'e'].map((name) => ref.write(name, { timeoutMs })));
    await node.settled();
    expect(answers).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      {
        code: 'ENVELOPE_EXPIRED',
        outcome: 'not-executed',
        message:
          'cell/k has 3 messages waiting, which take about 300 ms: ' +
          'more time than this one has left, behind "cell.write", which arrived 0 ms ago',
      },
    ]);
    for (const gate of gates) {
      await node.clock.advance(TURN_MS / 2);
      gate.resolve();
    }
    await node.settled();
    expect(answers.slice(0, 4)).toEqual(['a', 'b', 'c', 'd'].map((value) => ({ value })));
    expect(script.events).not.toContain('+e');
  });

  test('says nothing about other keys, or about a call with more time', async () => {
    const [node, script] = await trained();
    const gate = script.hold('a');
    const hot = node.ref(Cell, 'hot');
    const patient = Array.from({ length: 10 }, (_, i) => hot.write(i === 0 ? 'a' : `w${i}`));
    const answers = watch([...patient, hot.write('late', { timeoutMs: 5 * TURN_MS })]);
    const others = watch([node.ref(Cell, 'cold').write('x', { timeoutMs: 2 * TURN_MS })]);
    await node.settled();
    expect(answers.at(-1)).toMatchObject({ code: 'ENVELOPE_EXPIRED', outcome: 'not-executed' });
    expect(answers.slice(0, -1)).toEqual(Array.from({ length: 10 }, () => undefined));
    expect(others).toEqual([{ value: 'x' }]);
    expect(node.node.isShedding).toBe(false);
    gate.resolve();
    await node.settled();
    expect(answers.slice(0, -1).every((answer) => 'value' in answer!)).toBe(true);
  });

  test('counts nothing for waiting readers, which may run together', async () => {
    const [node, script] = await trained();
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const timeoutMs = 1.5 * TURN_MS;
    const calls = Array.from({ length: 10 }, (_, i) =>
      i === 0 ? ref.write('a', { timeoutMs }) : ref.read(`r${i}`, { timeoutMs }),
    );
    const answers = watch(calls);
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers.every((answer) => 'value' in answer!)).toBe(true);
  });

  test('is refused when its turn comes, if those ahead took longer than they usually do', async () => {
    const [node, script] = await trained();
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const answers = watch([ref.write('a'), ref.write('b', { timeoutMs: 4 * TURN_MS })]);
    await node.clock.advance(3.2 * TURN_MS);
    gate.resolve();
    await node.settled();
    expect(answers[1]).toEqual({
      code: 'ENVELOPE_EXPIRED',
      outcome: 'not-executed',
      message:
        '"cell.write" waited in the mailbox of key "k" until 80 ms were left for what takes about 100 ms',
    });
    expect(script.events).not.toContain('+b');
  });

  test('is accepted by a node that does not shed', async () => {
    const [node, script] = await trained({});
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const answers = watch(['a', 'b', 'c', 'd'].map((name) => ref.write(name, { timeoutMs: TURN_MS })));
    await node.settled();
    expect(answers).toEqual(Array.from({ length: 4 }, () => undefined));
    gate.resolve();
    await node.settled();
    expect(answers[3]).toEqual({ value: 'd' });
  });
});
