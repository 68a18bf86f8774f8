/** What metrics get of code that runs without a caller, of code that throws, and of what waits. */
import { ActorError, ClstrError } from '@clstr/core';
import { describe, expect, test } from 'vitest';
import { actorNode, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';

describe('a task', () => {
  test('is in flight until it ends, and is reported then: setup, a timer, waitUntil, passivate', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const setup = script.hold('setup');
    const answers = watch([node.ref(Cell, 'k').write('x')]);
    await node.clock.advance(30);
    expect([node.readings.tasksInFlight, node.tasks]).toEqual([1, []]);
    setup.resolve();
    await node.settled();
    expect([node.readings.tasksInFlight, node.tasks]).toEqual([0, [[true, 30]]]);
    const context = script.context('x');
    context.after(10, () => undefined);
    let release!: () => void;
    context.waitUntil(new Promise<void>((resolve) => (release = resolve)));
    expect(node.readings.tasksInFlight).toBe(1);
    await node.clock.advance(40);
    expect(node.tasks.splice(0)).toEqual([
      [true, 30],
      [true, 0],
    ]);
    release();
    await node.settled();
    const passivate = script.hold('passivate');
    context.passivate();
    await node.clock.advance(20);
    passivate.resolve();
    await node.settled();
    expect(node.tasks).toEqual([
      [true, 40],
      [true, 20],
    ]);
    expect([node.readings.tasksInFlight, answers]).toEqual([0, [{ value: 'x' }]]);
  });

  test('that fails is reported as such: discard after a handler that spoiled the state', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    await ref.write('x');
    script.break('discard', new Error('no'));
    script.break('y', new Error('spoiled'));
    await expect(ref.write('y')).rejects.toMatchObject({ code: 'INTERNAL' });
    await node.settled();
    expect(node.tasks).toEqual([
      [true, 0],
      [false, 0],
    ]);
    expect(node.panicked).toEqual(['cell.write', 'other']);
  });
});

describe('a panic', () => {
  test.each([
    ['throws', false],
    ['rejects', true],
  ])('is what no author meant to throw, from a handler that %s', async (_how, isAsync) => {
    const errors: unknown[] = [
      new Error('a bug'),
      'a text',
      new ActorError('NO_SUCH_USER', 'meant'),
      new ClstrError('TIMEOUT', 'of a call'),
    ];
    const script = cell({
      handlers: {
        write: () => {
          const error = errors.shift();
          if (isAsync) return Promise.reject(error);
          throw error;
        },
        read: () => '',
        tell: () => undefined,
      },
    });
    const node = await actorNode([script.actor]);
    for (let i = 0; i < 4; i++) await expect(node.ref(Cell, 'k').write('x')).rejects.toThrow();
    expect(node.panicked).toEqual(['cell.write', 'cell.write']);
  });

  test('in setup has no message type', async () => {
    const script = cell();
    script.break('setup', new Error('no database'));
    const node = await actorNode([script.actor]);
    await expect(node.ref(Cell, 'k').write('x')).rejects.toThrow();
    expect([node.panicked, node.tasks]).toEqual([['other'], [[false, 0]]]);
  });
});

test('what waits in all mailboxes is read as one number, and the handler says when it is closed', async () => {
  const script = cell();
  const node = await actorNode([script.actor, { ...cell().actor, name: 'other' }]);
  const gate = script.hold('x');
  const calls = ['a', 'b'].flatMap((key) => ['x', 'y', 'z'].map((step) => node.ref(Cell, key).write(step)));
  await node.settled();
  expect([node.readings.mailboxDepth, Object.fromEntries(node.readings.active())]).toEqual([
    4,
    { cell: 2, other: 0 },
  ]);
  gate.resolve();
  await Promise.all(calls);
  expect([node.readings.mailboxDepth, node.readings.isClosed]).toEqual([0, false]);
  expect(node.readings.types).toEqual(
    ['cell', 'other'].flatMap((name) => ['write', 'read', 'tell'].map((method) => `${name}.${method}`)),
  );
  await node.drain();
  expect([node.readings.isClosed, node.readings.active().get('cell')]).toEqual([true, 0]);
});
