/** Handlers that fail: what the caller learns, and that nothing leaves as `not-executed` once one has started. */
import { ActorError, ClstrError } from '@clstr/core';
import { asRefusal, forCaller } from '@clstr/core/handler';
import { silentLogger } from '@clstr/core/internal';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectFailure, failureOf } from '../failure.ts';
import type { Stage } from './stage.ts';

export const failures: Behaviours = {
  async 'delivers an error made for the caller whole, as executed and not retryable'(stage) {
    const details = { field: 'age', got: [1, 'ü'] };
    const [sync, async] = await failInBothWays(stage, () =>
      forCaller(new ClstrError('VALIDATION_FAILED', 'age is not a number', { details, retryable: true })),
    );
    for (const error of [sync, async]) {
      expect(error).toMatchObject({ code: 'VALIDATION_FAILED', outcome: 'executed', retryable: false });
      expect([error.message, error.details]).toEqual(['age is not a number', details]);
    }
  },

  async 'delivers an ActorError whole, under its own code'(stage) {
    const [sync, async] = await failInBothWays(
      stage,
      () => new ActorError('INSUFFICIENT_FUNDS', 'only 3 left', { left: 3 }),
    );
    for (const error of [sync, async]) {
      expect(error).toMatchObject({ name: 'ActorError', code: 'ACTOR_ERROR', outcome: 'executed' });
      expect(error).toMatchObject({ actorCode: 'INSUFFICIENT_FUNDS', message: 'only 3 left' });
      expect([error.retryable, error.details]).toEqual([false, { left: 3 }]);
    }
  },

  async 'turns the error of a nested call into HANDLER_ERROR, so that nobody repeats half-done work'(stage) {
    const [sync, async] = await failInBothWays(stage, () => new ClstrError('OVERLOADED', 'inner is full'));
    for (const error of [sync, async]) {
      expect(error).toMatchObject({ code: 'HANDLER_ERROR', outcome: 'executed', retryable: false });
      expect(error.details).toMatchObject({ code: 'OVERLOADED' });
    }
  },

  async 'turns the failure of a real nested call into HANDLER_ERROR'(stage) {
    const inner = await stage.client();
    await stage.node(() => inner.requestShard(0, 'Nobody'), { shards: [1] });
    const outer = await stage.client();
    const error = await expectFailure(outer.requestShard(1, 'Nested'), 'HANDLER_ERROR', 'executed');
    expect(error.details).toMatchObject({ code: 'NO_SUBSCRIBER' });
  },

  async 'sends only an id for an unknown error, which the node logs whole under that id'(stage) {
    const logged: Record<string, unknown>[] = [];
    const logger = {
      ...silentLogger,
      error: (fields: object) => logged.push(fields as Record<string, unknown>),
    };
    const thrown = new TypeError('password is hunter2');
    const both = await failInBothWays(stage, () => thrown, { logger, id: 'the-node' });
    for (const [i, error] of both.entries()) {
      expect(error).toMatchObject({ code: 'INTERNAL', outcome: 'executed', retryable: false });
      expect(JSON.stringify([error.message, error.details, error.stack])).not.toContain('hunter2');
      expect(logged[i]).toMatchObject({ err: thrown, id: error.details?.['id'], nodeId: 'the-node' });
    }
    expect(logged[0]!['id']).not.toBe(logged[1]!['id']);
  },

  async 'survives whatever a handler throws, errors or not'(stage) {
    for (const thrown of [
      undefined,
      null,
      'text',
      7,
      Object.create(null),
      { code: 'TIMEOUT' },
      Symbol('s'),
    ]) {
      const both = await failInBothWays(stage, () => thrown);
      for (const error of both)
        expect(error).toMatchObject({ code: 'INTERNAL', outcome: 'executed', retryable: false });
    }
  },

  async 'refuses a result that JSON would lose, executed, with the place and the reason'(stage) {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const results = [circular, () => undefined, 10n, Symbol('s'), { rows: [new Map()] }, [NaN]];
    await stage.node(({ payload }) => results[payload as number]);
    const client = await stage.client();
    const why = ['self', 'a function', 'a bigint', 'a symbol', 'rows[0] is a Map', '[0] is NaN'];
    for (const index of results.keys()) {
      const call = client.requestKey('k', 'Result', index);
      const { message } = await expectFailure(call, 'INVALID_ENVELOPE', 'executed');
      expect(message).toMatch(/^the reply of "Result" cannot be encoded as json: /);
      expect(message).toContain(why[index]);
    }
  },

  async 'refuses a payload that JSON would lose, not executed, with the place and the reason'(stage) {
    await stage.node(() => undefined);
    const client = await stage.client();
    const call = client.requestKey('k', 'Set', { user: { tags: new Set(['a']) } });
    const { message } = await expectFailure(call, 'INVALID_ENVELOPE', 'not-executed');
    expect(message).toContain('user.tags is a Set, which JSON turns into {}');
  },

  async 'keeps an error whose details cannot be encoded, with a mark in their place'(stage) {
    const [sync] = await failInBothWays(stage, () => new ActorError('ODD', 'odd details', { big: 10n }));
    expect(sync).toMatchObject({ actorCode: 'ODD', message: 'odd details', details: { big: '[BigInt 10]' } });
  },

  async 'lets a layer below the handler refuse before any user code ran'(stage) {
    const both = await failInBothWays(stage, () => asRefusal(new ClstrError('OVERLOADED', 'mailbox full')));
    for (const error of both)
      expect(error).toMatchObject({ code: 'OVERLOADED', outcome: 'not-executed', retryable: true });
  },
};

/** What the caller gets when a handler throws at once, and when its promise rejects. */
async function failInBothWays(
  stage: Stage,
  thrown: () => unknown,
  options: Parameters<Stage['node']>[1] = {},
): Promise<[ClstrError, ClstrError]> {
  const node = await stage.node(({ type }) => {
    if (type === 'Sync') throw thrown();
    return Promise.reject(thrown());
  }, options);
  const client = await stage.client();
  const errors: [ClstrError, ClstrError] = [
    await failureOf(client.requestKey('k', 'Sync')),
    await failureOf(client.requestKey('k', 'Async')),
  ];
  await node.close();
  return errors;
}
