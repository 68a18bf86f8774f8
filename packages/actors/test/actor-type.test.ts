import { describe, expect, test } from 'vitest';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';

/** Writes down which actors leave, and why. */
function leaving(idleMs = 60_000): { left: string[]; script: ReturnType<typeof cell> } {
  const left: string[] = [];
  const script = cell({ idleMs, passivate: (_state, { key, reason }) => void left.push(`${key} ${reason}`) });
  return { left, script };
}

describe('a type of actors', () => {
  test('keeps cacheSize actors in memory: the one used longest ago makes room', async () => {
    const { left, script } = leaving();
    const node = await actorNode([script.actor], { cacheSize: 3 });
    for (const key of ['a', 'b', 'c', 'a', 'd', 'e']) await node.ref(Cell, key).write('x');
    await node.settled();
    expect(left).toEqual(['b evicted', 'c evicted']);
    expect(node.active.get('cell')).toBe(3);
  });

  test('evicts no actor while there is room', async () => {
    const { left, script } = leaving();
    const node = await actorNode([script.actor], { cacheSize: 3 });
    for (const key of ['a', 'b', 'c', 'a', 'b']) await node.ref(Cell, key).write('x');
    expect(left).toEqual([]);
  });

  test('has a cache of its own, apart from those of other types', async () => {
    const one = leaving();
    const node = await actorNode([one.script.actor, { ...cell().actor, name: 'other' }], { cacheSize: 1 });
    await node.client.requestKey('a', 'other.write', 'x');
    await node.ref(Cell, 'b').write('x');
    expect(one.left).toEqual([]);
    expect([...node.active]).toEqual([
      ['cell', 1],
      ['other', 1],
    ]);
  });

  test('never evicts an actor with work running or waiting; when all are busy, refuses as OVERLOADED', async () => {
    const { left, script } = leaving();
    const node = await actorNode([script.actor], { cacheSize: 2 });
    const gates = [script.hold('one'), script.hold('two')];
    const answers = watch([node.ref(Cell, 'a').write('one'), node.ref(Cell, 'b').write('two')]);
    await node.settled();
    for (let i = 0; i < 3; i++) {
      expect(await answerOf(node.ref(Cell, `c${i}`).write('x'))).toEqual({
        code: 'OVERLOADED',
        outcome: 'not-executed',
        message: expect.stringMatching(
          /^all actors of type cell are busy, leaving .* \(cacheSize 2\): raise/,
        ),
      });
    }
    expect(left).toEqual([]);
    expect(script.setups).toBe(2);
    gates[1]!.resolve();
    await node.settled();
    expect(await node.ref(Cell, 'c').write('x')).toBe('x');
    expect(left).toEqual(['b evicted']);
    gates[0]!.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'one' }, { value: 'two' }]);
  });

  test('evicts no actor that is being set up, or that waitUntil holds', async () => {
    const { left, script } = leaving();
    const node = await actorNode([script.actor], { cacheSize: 2 });
    await node.ref(Cell, 'a').write('x');
    let done!: () => void;
    script.context('x').waitUntil(new Promise<void>((resolve) => (done = resolve)));
    const setup = script.hold('setup');
    const answers = watch([node.ref(Cell, 'b').write('y')]);
    await node.settled();
    expect(await answerOf(node.ref(Cell, 'c').write('z'))).toMatchObject({ code: 'OVERLOADED' });
    done();
    await node.settled();
    setup.resolve();
    expect(await node.ref(Cell, 'c').write('z')).toBe('z');
    await node.settled();
    expect(left).toEqual(['a evicted']);
    expect(answers).toEqual([{ value: 'y' }]);
  });

  test('looks past busy actors for an idle one, wherever it is', async () => {
    const { left, script } = leaving();
    const node = await actorNode([script.actor], { cacheSize: 10 });
    const gates = Array.from({ length: 9 }, (_, i) => script.hold(`busy${i}`));
    watch(gates.map((_, i) => node.ref(Cell, `k${i}`).write(`busy${i}`)));
    await node.ref(Cell, 'idle').write('x');
    await node.ref(Cell, 'next').write('x');
    await node.ref(Cell, 'after').write('x');
    expect(left).toEqual(['idle evicted', 'next evicted']);
    for (const gate of gates) gate.resolve();
    await node.settled();
  });

  test('lets as many again be on their way out, then refuses as OVERLOADED', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { cacheSize: 2 });
    const gate = script.hold('passivate');
    for (const key of ['a', 'b', 'c', 'd']) await node.ref(Cell, key).write('x');
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(2);
    expect(node.active.get('cell')).toBe(4);
    expect(await answerOf(node.ref(Cell, 'e').write('x'))).toMatchObject({ code: 'OVERLOADED' });
    expect(await node.ref(Cell, 'd').write('y')).toBe('y');
    gate.resolve();
    await node.settled();
    expect(node.active.get('cell')).toBe(2);
    expect(await node.ref(Cell, 'e').write('x')).toBe('x');
  });

  test('evicts nobody for a key while others are on their way out anyway', async () => {
    const { script } = leaving(1_000);
    const slow = cell({ idleMs: 1_000 });
    const node = await actorNode([slow.actor], { cacheSize: 2 });
    await node.ref(Cell, 'a').write('x');
    const gate = slow.hold('passivate');
    await node.clock.advance(1_250);
    await node.ref(Cell, 'b').write('x');
    await node.ref(Cell, 'c').write('x');
    expect(slow.events.filter((event) => event === '+passivate')).toHaveLength(1);
    gate.resolve();
    await node.settled();
    expect(script.events).toEqual([]);
  });

  test('comes back to its bound after actors on their way out were called back', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { cacheSize: 2 });
    for (const key of ['a', 'b']) await node.ref(Cell, key).write('x');
    const gate = script.hold('passivate');
    for (const key of ['c', 'd']) await node.ref(Cell, key).write('x');
    const answers = watch(['a', 'b'].map((key) => node.ref(Cell, key).write('y')));
    gate.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'y' }, { value: 'y' }]);
    expect(node.active.get('cell')).toBe(4);
    expect(await answerOf(node.ref(Cell, 'e').write('x'))).toMatchObject({ code: 'OVERLOADED' });
    expect(await node.ref(Cell, 'e').write('x')).toBe('x');
    await node.settled();
    expect(node.active.get('cell')).toBe(2);
  });

  test('keeps an actor whose eviction was rejected, goes over its bound by it, and tries again', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { cacheSize: 1 });
    await node.ref(Cell, 'a').write('x');
    script.break('passivate', new Error('no database'));
    await node.ref(Cell, 'b').write('x');
    await node.settled();
    expect(node.active.get('cell')).toBe(2);
    expect(await answerOf(node.ref(Cell, 'c').write('x'))).toMatchObject({ code: 'OVERLOADED' });
    script.break('passivate', undefined);
    await node.clock.advance(100);
    expect(script.context('passivate').reason).toBe('evicted');
    expect(node.active.get('cell')).toBe(1);
    expect(await node.ref(Cell, 'a').write('y')).toBe('y');
  });

  test('does not evict again at once the actor whose eviction was just rejected', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { cacheSize: 2 });
    for (const key of ['a', 'b']) await node.ref(Cell, key).write('x');
    script.break('passivate', new Error('no database'));
    await node.ref(Cell, 'c').write('x');
    await node.settled();
    expect(script.context('passivate').key).toBe('a');
    script.break('passivate', undefined);
    await node.ref(Cell, 'd').write('x');
    await node.settled();
    // Two make room, as the one that stayed is over the bound.
    expect(node.active.get('cell')).toBe(2);
    const left = watch(['a', 'b', 'c', 'd'].map((key) => node.ref(Cell, key).read('y')));
    expect(left).toHaveLength(4);
    expect(script.events.filter((event) => event === '-passivate')).toHaveLength(2);
  });

  test('goes on with an actor that evicting gave no rest: it is asked for again and waits', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { cacheSize: 1 });
    await node.ref(Cell, 'a').write('x');
    const gate = script.hold('passivate');
    await node.ref(Cell, 'b').write('x');
    const answers = watch([node.ref(Cell, 'a').write('y')]);
    await node.settled();
    expect(answers).toEqual([undefined]);
    gate.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'y' }]);
    expect(script.setups).toBe(3);
  });
});
