import { describe, expect, test } from 'vitest';
import { deferred } from '@clstr/testing';
import { actorNode, answerOf, watch } from './actor-node.ts';
import type { ActorNode } from './actor-node.ts';
import { Cell, cell } from './cell.ts';
import type { CellScript } from './cell.ts';

async function awake(script: CellScript): Promise<ActorNode> {
  const node = await actorNode([script.actor]);
  await node.ref(Cell, 'k').write('first');
  return node;
}

describe('ctx.after()', () => {
  test('runs its handler once, after the delay', async () => {
    const script = cell();
    const node = await awake(script);
    const ran: number[] = [];
    script.context('first').after(100, (ctx) => void ran.push(ctx.key.length, node.clock.monoMs()));
    await node.clock.advance(99);
    expect(ran).toEqual([]);
    await node.clock.advance(1_000);
    expect(ran).toEqual([1, 100]);
  });

  test('is cancelled by the function it returns', async () => {
    const script = cell();
    const node = await awake(script);
    const cancel = script.context('first').after(100, () => script.events.push('tick'));
    cancel();
    cancel();
    await node.clock.advance(1_000);
    expect(script.events).not.toContain('tick');
  });

  test('can set another one from its handler', async () => {
    const script = cell();
    const node = await awake(script);
    const at: number[] = [];
    script.context('first').after(100, (ctx) => {
      at.push(node.clock.monoMs());
      ctx.after(50, () => void at.push(node.clock.monoMs()));
    });
    await node.clock.advance(1_000);
    expect(at).toEqual([100, 150]);
  });
});

describe('a timer set by ctx.after()', () => {
  test('keeps its actor in memory beyond idleMs; then the actor passivates', async () => {
    const script = cell({ idleMs: 1_000 });
    const node = await awake(script);
    script.context('first').after(10_000, () => script.events.push('tick'));
    await node.clock.advance(9_999);
    expect([node.active.get('cell'), script.events.includes('tick')]).toEqual([1, false]);
    await node.clock.advance(1);
    expect(script.events.slice(-3)).toEqual(['tick', '+passivate', '-passivate']);
  });

  test('is waited for by ctx.passivate(), unless it is cancelled', async () => {
    const script = cell();
    const node = await awake(script);
    const cancel = script.context('first').after(1_000, () => script.events.push('tick'));
    script.context('first').after(500, () => script.events.push('tock'));
    script.context('first').passivate();
    await node.clock.advance(600);
    expect(script.events.slice(-1)).toEqual(['tock']);
    cancel();
    await node.settled();
    expect(script.events.slice(-2)).toEqual(['+passivate', '-passivate']);
    expect(node.active.get('cell')).toBe(0);
  });

  test('keeps its actor from eviction: others make room, or a message for another key is refused', async () => {
    const script = cell();
    const node = await actorNode([script.actor], { cacheSize: 2 });
    const write = (key: string): Promise<unknown> => answerOf(node.ref(Cell, key).write(key));
    await write('a');
    const cancel = script.context('a').after(10_000, () => undefined);
    await write('b');
    await write('c');
    expect([script.setups, script.context('passivate').key]).toEqual([3, 'b']);
    script.context('c').after(10_000, () => undefined);
    expect(await write('d')).toMatchObject({
      code: 'OVERLOADED',
      outcome: 'not-executed',
      message: expect.stringContaining('have timers set by ctx.after (cacheSize 2)') as string,
    });
    cancel();
    expect(await write('d')).toEqual({ value: 'd' });
  });

  test('is logged when it ends with its actor before it ran, once for all actors of a type', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    for (const key of ['a', 'b', 'c']) {
      await node.ref(Cell, key).write(key);
      script.context(key).after(10_000, () => script.events.push('tick'));
      if (key !== 'c') script.context(key).after(20_000, () => undefined);
    }
    await node.drain();
    await node.settled();
    expect(node.lines.filter(({ level }) => level === 'warn')).toEqual([
      {
        level: 'warn',
        fields: { event: 'actor.timers_lost', actor: 'cell', timers: 5 },
        message: '5 timers set by ctx.after did not run: their actors of type cell left memory',
      },
    ]);
    expect(script.events).not.toContain('tick');
  });
});

describe('ctx.every()', () => {
  test('runs its handler again and again, until the function it returned is called', async () => {
    const script = cell();
    const node = await awake(script);
    const at: number[] = [];
    const cancel = script.context('first').every(100, () => void at.push(node.clock.monoMs()));
    await node.clock.advance(350);
    expect(at).toEqual([100, 200, 300]);
    cancel();
    await node.clock.advance(1_000);
    expect(at).toHaveLength(3);
  });

  test('can be cancelled from its own handler', async () => {
    const script = cell();
    const node = await awake(script);
    let ticks = 0;
    const cancel = script.context('first').every(100, async () => {
      ticks++;
      await Promise.resolve();
      cancel();
    });
    await node.clock.advance(1_000);
    expect(ticks).toBe(1);
  });

  test('goes on only when its turn has ended: turns never pile up behind a busy actor', async () => {
    const script = cell();
    const node = await awake(script);
    let ticks = 0;
    script.context('first').every(100, () => ticks++);
    const gate = script.hold('long');
    const answers = watch([node.ref(Cell, 'k').write('long')]);
    await node.clock.advance(1_000);
    expect(ticks).toBe(0);
    gate.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'long' }]);
    expect(ticks).toBe(1);
    await node.clock.advance(100);
    expect(ticks).toBe(2);
  });
});

describe('a timer', () => {
  test('runs through the mailbox: behind what waits, before what comes later, never beside a message', async () => {
    const script = cell();
    const node = await awake(script);
    const ref = node.ref(Cell, 'k');
    const [a, tick] = [script.hold('a'), deferred()];
    script.context('first').after(100, async () => {
      script.events.push('+tick');
      await tick.promise;
      script.events.push('-tick');
    });
    const answers = watch([ref.write('a'), ref.write('b')]);
    await node.clock.advance(100);
    watch([ref.read('c')]);
    await node.settled();
    a.resolve();
    await node.settled();
    expect(script.events.slice(4)).toEqual(['+a', '-a', '+b', '-b', '+tick']);
    tick.resolve();
    await node.settled();
    expect(script.events.slice(8)).toEqual(['+tick', '-tick', '+c', '-c']);
    expect(answers).toEqual([{ value: 'a' }, { value: 'b' }]);
  });

  test('whose turn waits does not run any more once it is cancelled', async () => {
    const script = cell();
    const node = await awake(script);
    const gate = script.hold('a');
    const cancel = script.context('first').every(100, () => script.events.push('tick'));
    const answers = watch([node.ref(Cell, 'k').write('a')]);
    await node.clock.advance(150);
    cancel();
    gate.resolve();
    await node.clock.advance(1_000);
    expect(script.events).not.toContain('tick');
    expect(answers).toEqual([{ value: 'a' }]);
  });

  test('stops with its actor, and does not go on in the next one', async () => {
    const script = cell();
    const node = await awake(script);
    let ticks = 0;
    script.context('first').every(100, () => ticks++);
    await node.clock.advance(150);
    script.context('first').passivate();
    await node.settled();
    await node.ref(Cell, 'k').write('next');
    await node.clock.advance(1_000);
    expect(ticks).toBe(1);
  });

  test('is refused by an actor that is gone', async () => {
    const script = cell();
    const node = await awake(script);
    const late = script.context('first');
    late.passivate();
    await node.settled();
    const before = node.clock.timerCount;
    const gone = expect.objectContaining({
      code: 'ABORTED',
      message: 'cell/k has left memory: no timer can be set',
    }) as Error;
    expect(() => late.every(100, () => undefined)).toThrow(gone);
    expect(() => late.after(100, () => undefined)).toThrow(gone);
    expect(node.clock.timerCount).toBe(before);
  });

  test.each(['at once', 'for longer than idleMs'])(
    'does not count as activity: its actor passivates though it runs %s',
    async (how) => {
      const script = cell({ idleMs: 1_000 });
      const node = await awake(script);
      script.context('first').every(10, async () => {
        if (how === 'at once') return;
        const turn = deferred();
        node.clock.timer(turn.resolve, 1_400);
        await turn.promise;
      });
      await node.clock.advance(how === 'at once' ? 1_250 : 2_900);
      expect(script.events.slice(-1)).toEqual(['-passivate']);
      await node.clock.advance(10_000);
      expect(node.active.get('cell')).toBe(0);
    },
  );

  test('does not make its actor leave before idleMs', async () => {
    const script = cell({ idleMs: 1_000 });
    const node = await awake(script);
    script.context('first').every(10, () => undefined);
    await node.clock.advance(990);
    expect(node.active.get('cell')).toBe(1);
  });

  test.each(['throws', 'rejects'])(
    'whose handler %s is logged and counted, and kills nothing else',
    async (how) => {
      const script = cell();
      const node = await awake(script);
      const error = new Error('no mail server');
      let ticks = 0;
      script.context('first').every(100, () => {
        ticks++;
        if (how === 'throws') throw error;
        return Promise.reject(error);
      });
      script.context('first').every(150, () => script.events.push('other'));
      await node.clock.advance(320);
      expect(ticks).toBe(3);
      expect(script.events.filter((event) => event === 'other')).toHaveLength(2);
      expect(node.panicked).toEqual(['other', 'other', 'other']);
      expect(node.lines[0]).toEqual({
        level: 'error',
        fields: { event: 'actor.timer_failed', err: error, actor: 'cell', key: 'k' },
        message: 'a timer of cell/k failed',
      });
      expect(await node.ref(Cell, 'k').write('b')).toBe('b');
      expect(script.state()).toEqual({ life: 1, written: ['first', 'b'] });
    },
  );

  test('that fails restarts its actor under onError restart', async () => {
    const script = cell({ onError: 'restart' });
    const node = await awake(script);
    let ticks = 0;
    script.context('first').every(100, () => {
      ticks++;
      throw new Error('boom');
    });
    await node.clock.advance(1_000);
    expect([ticks, node.active.get('cell')]).toEqual([1, 0]);
    await node.ref(Cell, 'k').write('b');
    expect(script.state()).toEqual({ life: 2, written: ['b'] });
  });

  test('can be set by setup', async () => {
    let ticks = 0;
    const script = cell({
      setup: (ctx) => {
        ctx.every(100, () => ticks++);
        return { life: 1, written: [] };
      },
    });
    const node = await awake(script);
    await node.clock.advance(250);
    expect(ticks).toBe(2);
  });

  test('that waits when setup fails is forgotten with it', async () => {
    const script = cell();
    const setup = script.actor.setup;
    const actor = {
      ...script.actor,
      setup: (ctx: Parameters<typeof setup>[0]) => {
        ctx.every(100, () => script.events.push('tick'));
        return setup(ctx);
      },
    };
    const node = await actorNode([actor]);
    const gate = script.hold('setup');
    const call = answerOf(node.ref(Cell, 'k').write('a'));
    await node.clock.advance(150);
    gate.reject(new Error('no database'));
    expect(await call).toMatchObject({ code: 'INTERNAL' });
    await node.clock.advance(1_000);
    expect(script.events).not.toContain('tick');
  });

  test('goes off while its actor stops, and runs when it stays after all', async () => {
    const script = cell();
    const node = await awake(script);
    const cancel = script.context('first').every(100, () => {
      script.events.push('tick');
      cancel();
    });
    const gate = script.hold('passivate');
    script.context('first').passivate();
    await node.clock.advance(150);
    expect(script.events.slice(-1)).toEqual(['+passivate']);
    gate.reject(new Error('no database'));
    await node.settled();
    expect(script.events.slice(-1)).toEqual(['tick']);
  });

  test('has the context of its actor, without end or caller', async () => {
    const script = cell();
    const node = await awake(script);
    const seen: unknown[] = [];
    script.context('first').after(1, (ctx) => {
      seen.push(ctx.actor, ctx.key, ctx.nodeId, ctx.remainingMs(), ctx.signal.aborted);
      ctx.signal.addEventListener('abort', () => seen.push('left'));
    });
    await node.clock.advance(1);
    expect(seen).toEqual(['cell', 'k', 'node-1', Infinity, false]);
    script.context('first').passivate();
    await node.settled();
    expect(seen.at(-1)).toBe('left');
  });

  test.each([
    ['every', 0],
    ['every', -1],
    ['every', 1.5],
    ['every', NaN],
    ['every', 2 ** 31],
    ['after', -1],
    ['after', Infinity],
    ['after', '5'],
  ] as const)('refuses ctx.%s(%s)', async (method, ms) => {
    const script = cell();
    await awake(script);
    expect(() => script.context('first')[method](ms as number, () => undefined)).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION' }),
    );
  });

  test('is refused as OVERLOADED when its actor has 1,024 already', async () => {
    const script = cell();
    const node = await awake(script);
    const context = script.context('first');
    for (let i = 0; i < 1_024; i++) context.after(100, () => undefined);
    expect(() => context.after(100, () => undefined)).toThrow(
      expect.objectContaining({ code: 'OVERLOADED', message: 'cell/k has 1024 timers' }),
    );
    await node.clock.advance(100);
    expect(() => context.after(100, () => undefined)).not.toThrow();
  });
});
