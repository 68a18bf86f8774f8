import type { Logger } from '@clstr/core';
import { describe, expect, test } from 'vitest';
import type { LifecycleContext } from '@clstr/actors';
import { actorNode, answerOf } from './actor-node.ts';
import { Cell, cell } from './cell.ts';

describe('the context', () => {
  test('of a message names actor, key and node, and carries its headers', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a', { headers: { tenant: 'acme' } });
    const { actor, key, nodeId, headers, isNotify } = script.context('a');
    expect({ actor, key, nodeId, headers: { ...headers }, isNotify }).toEqual({
      actor: 'cell',
      key: 'k',
      nodeId: 'node-1',
      headers: { tenant: 'acme' },
      isNotify: false,
    });
  });

  test('of a message knows what is left of its time', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    const gate = script.hold('a');
    const call = node.ref(Cell, 'k').write('a', { timeoutMs: 500 });
    await node.settled();
    expect(script.context('a').remainingMs()).toBe(500);
    await node.clock.advance(200);
    expect(script.context('a').remainingMs()).toBe(300);
    gate.resolve();
    await call;
  });

  test('of every step has the services of the host', async () => {
    const services = { db: 'postgres' };
    const script = cell();
    const node = await actorNode([script.actor], { services });
    await node.ref(Cell, 'k').write('a');
    script.context('a').passivate();
    await node.settled();
    for (const step of ['setup', 'a', 'passivate']) expect(script.context(step).services).toBe(services);
  });

  test('of setup and of the end names actor, key and node too', async () => {
    const script = cell({ onError: 'restart' });
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    script.context('a').passivate();
    await node.settled();
    script.break('b', new Error('boom'));
    await answerOf(node.ref(Cell, 'k').write('b'));
    const nameOf = ({ actor, key, nodeId }: LifecycleContext): string => `${actor}/${key} on ${nodeId}`;
    const names = ['setup', 'passivate', 'discard'].map((step) => nameOf(script.context(step)));
    expect(new Set(names)).toEqual(new Set(['cell/k on node-1']));
  });

  test('of setup has no end, and a signal that fires when the actor leaves memory', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    const context = script.context('setup');
    expect(context.remainingMs()).toBe(Infinity);
    const { signal } = context;
    expect(signal.aborted).toBe(false);
    script.context('a').passivate();
    await node.settled();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toMatchObject({ code: 'ABORTED', message: 'cell/k left memory' });
    await node.ref(Cell, 'k').write('b');
    expect(script.context('setup').signal.aborted).toBe(false);
  });

  test('logs with actor and key at every level, below the fields of the line', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    const { log } = script.context('a');
    log.debug({ n: 1 }, 'one');
    log.info({ n: 2 });
    log.warn({ key: 'mine' }, 'three');
    log.error({}, 'four');
    expect(node.lines).toEqual([
      { level: 'debug', fields: { actor: 'cell', key: 'k', n: 1 }, message: 'one' },
      { level: 'info', fields: { actor: 'cell', key: 'k', n: 2 }, message: undefined },
      { level: 'warn', fields: { actor: 'cell', key: 'mine' }, message: 'three' },
      { level: 'error', fields: { actor: 'cell', key: 'k' }, message: 'four' },
    ]);
    expect(script.context('a').log).toBe(log);
  });

  test('logs a text alone, fields alone, and an error with its message', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    const { log } = script.context('a');
    const err = new Error('no disk');
    const bound = { actor: 'cell', key: 'k' };
    log.info('one');
    log.info('');
    log.warn({});
    log.error(err);
    log.error(err, 'saving failed');
    log.error({ err, n: 1 }, 'again');
    log.debug(undefined as never);
    const asLogger: Logger = log;
    asLogger.info({ n: 2 }, 'as a core logger');
    expect(node.lines.map(({ fields, message }) => [fields, message])).toEqual([
      [bound, 'one'],
      [bound, ''],
      [bound, undefined],
      [{ ...bound, err }, 'no disk'],
      [{ ...bound, err }, 'saving failed'],
      [{ ...bound, err, n: 1 }, 'again'],
      [bound, undefined],
      [{ ...bound, n: 2 }, 'as a core logger'],
    ]);
  });

  test('of passivate has a signal that has not fired while there is time', async () => {
    const script = cell();
    const node = await actorNode([script.actor]);
    await node.ref(Cell, 'k').write('a');
    script.context('a').passivate();
    await node.settled();
    expect(script.context('passivate').signal.aborted).toBe(false);
    expect(script.context('passivate').remainingMs()).toBe(2_000);
  });
});
