import { deferred } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { actorNode, answerOf, watch } from './actor-node.ts';
import { Cell, cell } from './cell.ts';

const IDLE_MS = 1_000;
/** After this much time without a message an idle actor is gone. */
const SURELY_IDLE_MS = 1_250;

/** A node with the actor of key `k` in memory, after one message. */
async function usedCell(options?: Parameters<typeof cell>[0]) {
  const script = cell(options);
  const node = await actorNode([script.actor]);
  const ref = node.ref(Cell, 'k');
  await ref.write('a');
  return { script, node, ref };
}

describe('an idle actor', () => {
  test('passivates after idleMs, at most a quarter later, with its state and the reason', async () => {
    const seen: unknown[] = [];
    const { script, node } = await usedCell({
      idleMs: IDLE_MS,
      passivate: (state, { reason }) => void seen.push(state, reason),
    });
    await node.clock.advance(IDLE_MS);
    expect(seen).toEqual([]);
    await node.clock.advance(SURELY_IDLE_MS - IDLE_MS);
    expect(seen).toEqual([script.state(), 'idle']);
    expect(node.active.get('cell')).toBe(0);
  });

  test('comes back with another setup', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    await node.clock.advance(SURELY_IDLE_MS);
    await node.ref(Cell, 'k').write('b');
    expect(script.state()).toEqual({ life: 2, written: ['b'] });
  });

  test('stays as long as messages come, whatever the age of the actor', async () => {
    const script = cell({ idleMs: IDLE_MS });
    const node = await actorNode([script.actor]);
    for (let i = 0; i < 10; i++) {
      await node.ref(Cell, 'k').write('a');
      await node.clock.advance(900);
    }
    expect(script.setups).toBe(1);
  });

  test('counts its idle time from the end of a message that took long, not from its arrival', async () => {
    const script = cell({ idleMs: IDLE_MS });
    const node = await actorNode([script.actor]);
    const gate = script.hold('a');
    const call = node.ref(Cell, 'k').write('a');
    await node.clock.advance(5_000);
    gate.resolve();
    await call;
    await node.clock.advance(900);
    expect(script.events).not.toContain('+passivate');
    await node.clock.advance(SURELY_IDLE_MS - 900);
    expect(script.events).toContain('-passivate');
  });

  test('does not hide those behind it that have been idle for longer', async () => {
    const script = cell({ idleMs: IDLE_MS });
    const node = await actorNode([script.actor]);
    const gate = script.hold('long');
    const call = node.ref(Cell, 'busy').write('long');
    await node.ref(Cell, 'quiet').write('a');
    await node.clock.advance(SURELY_IDLE_MS);
    expect(node.active.get('cell')).toBe(1);
    gate.resolve();
    await call;
  });

  test('leaves no timer of the framework behind when it was the last one', async () => {
    const script = cell({ idleMs: IDLE_MS });
    const node = await actorNode([script.actor]);
    const before = node.clock.timerCount;
    await node.ref(Cell, 'k').write('a');
    expect(node.clock.timerCount).toBeGreaterThan(before);
    await node.clock.advance(10 * IDLE_MS);
    expect(node.clock.timerCount).toBe(before);
  });
});

describe('a message for an actor that stops', () => {
  test('waits until it has stopped and starts a new one: never both', async () => {
    const { script, node, ref } = await usedCell({ idleMs: IDLE_MS });
    const gate = script.hold('passivate');
    await node.clock.advance(SURELY_IDLE_MS);
    const answers = watch([ref.write('b'), ref.read('c')]);
    await node.settled();
    expect(script.events.slice(-1)).toEqual(['+passivate']);
    expect(answers).toEqual([undefined, undefined]);
    gate.resolve();
    await node.settled();
    expect(script.events.slice(-7)).toEqual(['-passivate', '+setup', '-setup', '+b', '-b', '+c', '-c']);
    expect(answers).toEqual([{ value: 'b' }, { value: 'c' }]);
    expect(script.state().life).toBe(2);
    expect(node.active.get('cell')).toBe(1);
  });

  test('that was rejected is answered by the actor that stays', async () => {
    const { script, node, ref } = await usedCell({ idleMs: IDLE_MS });
    const gate = script.hold('passivate');
    await node.clock.advance(SURELY_IDLE_MS);
    const answers = watch([ref.write('b')]);
    gate.reject(new Error('no database'));
    await node.settled();
    expect(answers).toEqual([{ value: 'b' }]);
    expect(script.state()).toEqual({ life: 1, written: ['a', 'b'] });
  });

  test('finds in the new one nothing of the old: no timer, no wish, no failed passivation', async () => {
    const ticks: string[] = [];
    const { script, node, ref } = await usedCell({ idleMs: IDLE_MS });
    script.context('a').every(100, () => void ticks.push('tick'));
    script.break('passivate', new Error('no database'));
    script.context('a').passivate();
    await node.clock.advance(50);
    script.break('passivate', undefined);
    const gate = script.hold('passivate');
    await node.clock.advance(60);
    expect(script.events.slice(-1)).toEqual(['+passivate']);
    script.context('a').passivate();
    const answers = watch([ref.write('b')]);
    await node.settled();
    gate.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'b' }]);
    ticks.length = 0;
    await node.clock.advance(500);
    expect(ticks).toEqual([]);
    expect(node.active.get('cell')).toBe(1);
    expect(script.state()).toEqual({ life: 2, written: ['b'] });
  });
});

describe('a passivation', () => {
  test('that takes longer than 2 s fires its signal, is logged, and counts as rejected', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    script.hold('passivate');
    await node.clock.advance(SURELY_IDLE_MS);
    const { signal, remainingMs } = script.context('passivate');
    expect(script.context('passivate').remainingMs()).toBe(2_000);
    await node.clock.advance(1_500);
    expect(remainingMs.call(script.context('passivate'))).toBe(500);
    expect([signal.aborted, script.state().written]).toEqual([false, ['a']]);
    await node.clock.advance(500);
    expect(signal.aborted).toBe(true);
    expect(script.context('passivate').remainingMs()).toBe(0);
    expect(node.lines.at(-1)).toMatchObject({
      level: 'error',
      fields: {
        err: expect.objectContaining({ code: 'HANDLER_TIMEOUT' }),
        actor: 'cell',
        key: 'k',
        reason: 'idle',
      },
      message: 'passivate of cell/k (idle) failed',
    });
    expect(await node.ref(Cell, 'k').write('b')).toBe('b');
    expect(script.state().life).toBe(1);
  });

  test('gives a signal that has fired to code that asks for it too late', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    script.hold('passivate');
    await node.clock.advance(SURELY_IDLE_MS + 2_000);
    expect(script.context('passivate').signal.aborted).toBe(true);
  });

  test('that goes on after its 2 s is not begun a second time beside itself', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    const gate = script.hold('passivate');
    await node.clock.advance(60_000);
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(1);
    gate.resolve();
    await node.clock.advance(60_000);
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(2);
    expect(node.active.get('cell')).toBe(0);
  });

  test.each(['rejects', 'throws'])(
    'that %s keeps the actor, and is tried again with backoff',
    async (how) => {
      let attempts: number[] = [];
      const script = cell({
        idleMs: IDLE_MS,
        passivate: () => {
          attempts.push(node.clock.monoMs());
          if (how === 'throws') throw new Error('no database');
          return Promise.reject(new Error('no database'));
        },
      });
      const node = await actorNode([script.actor]);
      await node.ref(Cell, 'k').write('a');
      await node.clock.advance(60_000);
      const pauses = attempts.slice(1).map((at, i) => at - attempts[i]!);
      expect(pauses.slice(0, 9)).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
      expect(node.active.get('cell')).toBe(1);
      attempts = [];
      expect(await node.ref(Cell, 'k').write('b')).toBe('b');
      expect(script.state().life).toBe(1);
    },
  );

  test('that was rejected waits for idleMs again once another message has come', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    script.break('passivate', new Error('no database'));
    await node.clock.advance(SURELY_IDLE_MS);
    script.break('passivate', undefined);
    await node.ref(Cell, 'k').write('b');
    await node.clock.advance(IDLE_MS - 100);
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(1);
    await node.clock.advance(400);
    expect(node.active.get('cell')).toBe(0);
  });

  test('waits for the work it gives to waitUntil, and fails with it', async () => {
    const save = deferred();
    const { script, node } = await usedCell({
      idleMs: IDLE_MS,
      passivate: (_state, ctx) => ctx.waitUntil(save.promise),
    });
    await node.clock.advance(SURELY_IDLE_MS);
    const answers = watch([node.ref(Cell, 'k').write('b')]);
    await node.settled();
    expect(answers).toEqual([undefined]);
    save.reject(new Error('no database'));
    await node.settled();
    expect(answers).toEqual([{ value: 'b' }]);
    expect(script.state().life).toBe(1);
  });

  test('that throws after it began work hears no more of that work', async () => {
    const save = deferred();
    const script = cell({
      idleMs: IDLE_MS,
      passivate: (_state, ctx) => {
        ctx.waitUntil(save.promise);
        throw new Error('cannot');
      },
    });
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    await node.clock.advance(SURELY_IDLE_MS);
    save.reject(new Error('nobody listens'));
    await node.settled();
    expect(node.active.get('cell')).toBe(1);
  });

  test('that requests itself while it fails does not loop', async () => {
    let attempts = 0;
    const script = cell({
      idleMs: IDLE_MS,
      passivate: (_state, ctx) => {
        attempts++;
        ctx.passivate();
        throw new Error('no database');
      },
    });
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    await node.clock.advance(SURELY_IDLE_MS + 50);
    expect(attempts).toBe(1);
  });
});

describe('ctx.passivate()', () => {
  test('passivates as soon as the actor has nothing to do, after the messages that wait', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const ref = node.ref(Cell, 'k');
    const gate = script.hold('a');
    const answers = watch([ref.write('a'), ref.write('b')]);
    await node.settled();
    script.context('a').passivate();
    await node.settled();
    expect(script.events).not.toContain('+passivate');
    gate.resolve();
    await node.settled();
    expect(answers).toEqual([{ value: 'a' }, { value: 'b' }]);
    expect(script.events.slice(-2)).toEqual(['+passivate', '-passivate']);
    expect(script.context('passivate').reason).toBe('idle');
    expect(node.active.get('cell')).toBe(0);
  });

  test('from a handler that ends at once passivates behind it', async () => {
    const script = cell({
      handlers: {
        write: (_state, name, ctx) => {
          ctx.passivate();
          return name;
        },
        read: (_state, name) => name,
        tell: () => undefined,
      },
    });
    const node = await actorNode([script.actor]);
    expect(await node.ref(Cell, 'k').write('a')).toBe('a');
    await node.settled();
    expect(node.active.get('cell')).toBe(0);
  });

  test('works after the handler has ended, and from setup', async () => {
    const { script, node } = await usedCell();
    script.context('a').passivate();
    await node.settled();
    expect(node.active.get('cell')).toBe(0);
    const gate = script.hold('setup');
    const call = node.ref(Cell, 'k').write('b');
    await node.settled();
    script.context('setup').passivate();
    gate.resolve();
    expect(await call).toBe('b');
    await node.settled();
    expect(node.active.get('cell')).toBe(0);
  });

  test('does nothing to an actor that is gone', async () => {
    const { script, node } = await usedCell();
    script.context('a').passivate();
    await node.settled();
    script.context('a').passivate();
    await node.settled();
    expect(script.events.filter((event) => event === '+passivate')).toHaveLength(1);
  });
});

describe('ctx.waitUntil()', () => {
  test('holds passivation until the work has settled', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    const work = deferred();
    script.context('a').waitUntil(work.promise);
    script.context('a').passivate();
    await node.clock.advance(5 * IDLE_MS);
    expect(script.events).not.toContain('+passivate');
    work.resolve();
    await node.settled();
    expect(script.events).toContain('-passivate');
  });

  test('does not hold messages', async () => {
    const { script, node } = await usedCell();
    const work = deferred();
    script.context('a').waitUntil(work.promise);
    expect(await node.ref(Cell, 'k').write('b')).toBe('b');
    work.resolve();
  });

  test('logs work that fails, which then holds nothing any more', async () => {
    const { script, node } = await usedCell();
    const work = deferred();
    script.context('a').waitUntil(work.promise);
    script.context('a').passivate();
    const error = new Error('mail server is down');
    work.reject(error);
    await node.settled();
    expect(node.lines).toContainEqual({
      level: 'error',
      fields: { event: 'actor.background_failed', err: error, actor: 'cell', key: 'k' },
      message: 'work given to waitUntil failed',
    });
    expect(node.active.get('cell')).toBe(0);
  });

  test('holds a drain for up to 2 s, and passivates then', async () => {
    const { script, node } = await usedCell();
    script.context('a').waitUntil(new Promise(() => undefined));
    const draining = node.node.drain();
    await node.clock.advance(1_900);
    expect(script.events).not.toContain('+passivate');
    await node.clock.advance(200);
    await draining;
    expect(script.events).toContain('-passivate');
    expect(script.context('passivate').reason).toBe('drain');
  });

  test('lets a drain go on as soon as the work has settled', async () => {
    const { script, node } = await usedCell();
    const work = deferred();
    script.context('a').waitUntil(work.promise);
    const draining = node.node.drain();
    await node.clock.advance(500);
    work.resolve();
    await draining;
    expect(node.clock.monoMs()).toBe(500);
    expect(script.events).toContain('-passivate');
  });
});

describe('a drain', () => {
  test('passivates every actor with its reason', async () => {
    const seen: string[] = [];
    const script = cell({ passivate: (_state, { key, reason }) => void seen.push(`${key} ${reason}`) });
    const node = await actorNode([script.actor]);
    for (const key of ['a', 'b', 'c']) await node.ref(Cell, key).write('x');
    await node.node.drain();
    expect(seen.sort()).toEqual(['a drain', 'b drain', 'c drain']);
    expect(node.active.get('cell')).toBe(0);
  });

  test.each(['rejects', 'hangs'])(
    'lets an actor go whose passivate %s, and says so in the log',
    async (how) => {
      const script = cell();
      const node = await actorNode([script.actor]);
      await node.ref(Cell, 'k').write('a');
      const gate = script.hold('passivate');
      const startMs = node.clock.monoMs();
      const draining = node.node.drain();
      await node.settled();
      if (how === 'rejects') gate.reject(new Error('no database'));
      else await node.clock.advance(2_000);
      await draining;
      expect(node.clock.monoMs() - startMs).toBe(how === 'rejects' ? 0 : 2_000);
      expect(node.active.get('cell')).toBe(0);
      expect(node.lines.at(-1)).toMatchObject({ level: 'error', fields: { reason: 'drain' } });
    },
  );

  test('discards an actor whose handler does not end, and says so in the log', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('a');
    const call = answerOf(node.ref(Cell, 'k').write('a'));
    await node.settled();
    const draining = node.node.drain({ graceMs: 1_000 });
    await node.clock.advance(1_000);
    expect(await call).toMatchObject({ code: 'ABORTED', outcome: 'unknown' });
    await node.clock.advance(2_000);
    await draining;
    expect(script.events.slice(-2)).toEqual(['+discard', '-discard']);
    expect(script.context('discard').reason).toBe('failed');
    expect(node.lines.at(-1)).toMatchObject({
      level: 'error',
      message: expect.stringMatching(
        /^cell\/k did not become idle in time, behind "cell.write", which arrived \d+ ms ago$/,
      ) as string,
    });
    expect(node.active.get('cell')).toBe(0);
    gate.resolve();
    await node.settled();
    expect(script.events).not.toContain('+passivate');
  });

  test('waits for a handler that ends after the grace, and passivates then', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('a');
    void answerOf(node.ref(Cell, 'k').write('a'));
    await node.settled();
    const draining = node.node.drain({ graceMs: 100 });
    await node.clock.advance(600);
    gate.resolve();
    await draining;
    expect(script.events.slice(-3)).toEqual(['-a', '+passivate', '-passivate']);
  });

  test('does not wait for a setup that hangs, and discards the state that it still makes', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('setup');
    void answerOf(node.ref(Cell, 'k').write('a'));
    await node.settled();
    const { signal } = script.context('setup');
    const draining = node.node.drain({ graceMs: 0 });
    await node.clock.advance(2_000);
    await draining;
    expect(node.active.get('cell')).toBe(0);
    expect(signal.aborted).toBe(true);
    gate.resolve();
    await node.settled();
    expect(script.events).toEqual(['+setup', '-setup', '+discard', '-discard']);
  });

  test('ignores the failure of a setup that came too late', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('setup');
    void answerOf(node.ref(Cell, 'k').write('a'));
    await node.settled();
    const draining = node.node.drain({ graceMs: 0 });
    await node.clock.advance(2_000);
    await draining;
    gate.reject(new Error('no database'));
    await node.settled();
    expect(script.events).toEqual(['+setup']);
  });

  test('does not run a setup that waits to be tried again', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    script.break('setup', new Error('no database'));
    for (let i = 0; i < 9; i++) {
      const call = answerOf(node.ref(Cell, 'k').write('a'));
      await node.clock.advance(10_000);
      await call;
    }
    void answerOf(node.ref(Cell, 'k').write('b'));
    await node.settled();
    const { setups } = script;
    const draining = node.node.drain({ graceMs: 0 });
    await node.clock.advance(2_000);
    await draining;
    await node.clock.advance(60_000);
    expect(script.setups).toBe(setups);
  });

  test('waits for an actor that is passivating already, and starts it once more for what waits there', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    const gate = script.hold('passivate');
    await node.clock.advance(SURELY_IDLE_MS);
    const answers = watch([node.ref(Cell, 'k').write('b')]);
    await node.settled();
    const draining = node.node.drain();
    await node.settled();
    gate.resolve();
    await draining;
    expect(answers).toEqual([{ value: 'b' }]);
    expect(script.events.slice(-4)).toEqual(['+b', '-b', '+passivate', '-passivate']);
    expect(script.context('passivate').reason).toBe('drain');
  });

  test('discards once an actor that was about to restart, however long its discard takes', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    const gate = script.hold('a');
    void answerOf(node.ref(Cell, 'k').write('a'));
    await node.settled();
    const draining = node.node.drain({ graceMs: 0 });
    await node.clock.advance(1_000);
    const discard = script.hold('discard');
    gate.reject(new Error('boom'));
    await node.clock.advance(1_000);
    await draining;
    expect(node.active.get('cell')).toBe(0);
    discard.resolve();
    await node.settled();
    expect(script.events).toEqual(['+setup', '-setup', '+a', '+discard', '-discard']);
  });

  test('does not grow by an idle passivation that hangs: each end has its 2 s', async () => {
    const { script, node } = await usedCell({ idleMs: IDLE_MS });
    script.hold('passivate');
    await node.clock.advance(SURELY_IDLE_MS);
    const startMs = node.clock.monoMs();
    await node.drain();
    expect(node.clock.monoMs() - startMs).toBeLessThanOrEqual(4_100);
    expect(node.active.get('cell')).toBe(0);
  });
});
