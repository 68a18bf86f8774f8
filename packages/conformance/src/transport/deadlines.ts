/** Time budgets: every call ends in time, at the caller and at the handler. */
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectError, expectFailure } from '../failure.ts';
import { sendRaw } from './raw-entry.ts';

export const deadlines: Behaviours = {
  async 'fails as TIMEOUT, outcome unknown, when the handler has not ended in time'(stage) {
    const clock = stage.stopTime();
    const started = deferred();
    await stage.node(() => {
      started.resolve();
      return new Promise(() => undefined);
    });
    const client = await stage.client();
    const answer = expectFailure(
      client.requestKey('k', 'Hang', null, { timeoutMs: 400 }),
      'TIMEOUT',
      'unknown',
    );
    let isOver = false;
    void answer.finally(() => (isOver = true));
    await started.promise;
    await clock.advance(399);
    expect(isOver).toBe(false);
    await clock.advance(1 + TICKS_MS);
    await answer;
  },

  async "fires the handler's signal when the caller's time has run out"(stage) {
    const clock = stage.stopTime();
    const started = deferred<AbortSignal>();
    await stage.node((_, { signal }) => {
      started.resolve(signal);
      return new Promise(() => undefined);
    });
    const client = await stage.client();
    const answer = client.requestKey('k', 'Hang', null, { timeoutMs: 400 }).catch(() => 'over');
    const signal = await started.promise;
    expect(signal.aborted).toBe(false);
    await clock.advance(400 + TICKS_MS);
    expect(await answer).toBe('over');
    expect(signal.aborted).toBe(true);
  },

  async 'ends a handler at the limit of its node: HANDLER_TIMEOUT, outcome unknown, its signal fires'(stage) {
    const clock = stage.stopTime();
    const started = deferred<AbortSignal>();
    const node = await stage.node(
      (_, { signal }) => {
        started.resolve(signal);
        return new Promise(() => undefined);
      },
      { handlerTimeoutMs: 1_000 },
    );
    const client = await stage.client({ timeoutMs: 60_000 });
    const answer = expectFailure(client.requestKey('k', 'Hang'), 'HANDLER_TIMEOUT', 'unknown');
    const signal = await started.promise;
    await clock.advance(999);
    expect([signal.aborted, node.inFlight]).toEqual([false, 1]);
    await clock.advance(1 + TICKS_MS);
    await answer;
    expect([signal.aborted, node.inFlight]).toEqual([true, 0]);
  },

  async 'answers ENVELOPE_EXPIRED to a message whose time has run out, without calling the handler'(stage) {
    let handled = 0;
    await stage.node(() => {
      handled++;
    });
    const link = await stage.link();
    const { error } = await sendRaw(link, { shard: 0, remainingMs: () => 0 });
    expectError(error, 'ENVELOPE_EXPIRED', 'not-executed');
    expect(handled).toBe(0);
  },

  async "gives the handler what is left of the caller's time"(stage) {
    const clock = stage.stopTime();
    const resumed = deferred();
    const started = deferred();
    await stage.node(async (_, context) => {
      const before = context.remainingMs();
      started.resolve();
      await resumed.promise;
      return [before, context.remainingMs()];
    });
    const client = await stage.client();
    const answer = client.requestKey('k', 'Left', null, { timeoutMs: 700 });
    await started.promise;
    await clock.advance(250);
    resumed.resolve();
    expect(await answer).toEqual([700, 450]);
  },

  async 'drops a reply that comes too late, and gives the next request its own'(stage) {
    const clock = stage.stopTime();
    const late = deferred<string>();
    const started = deferred();
    await stage.node(({ type }) => {
      if (type === 'Next') return 'next';
      started.resolve();
      return late.promise;
    });
    const client = await stage.client();
    const answer = expectFailure(
      client.requestKey('k', 'Late', null, { timeoutMs: 100 }),
      'TIMEOUT',
      'unknown',
    );
    await started.promise;
    await clock.advance(100 + TICKS_MS);
    await answer;
    late.resolve('late');
    expect(await client.requestKey('k', 'Next')).toBe('next');
  },
};

/** A deadline is met at most this much late. */
const TICKS_MS = 20;
