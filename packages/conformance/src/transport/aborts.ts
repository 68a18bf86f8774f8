/** Callers that give up: before the message left, while the handler runs, and after the reply. */
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectFailure } from '../failure.ts';

export const aborts: Behaviours = {
  async 'does not send a request whose signal has fired before'(stage) {
    const seen: string[] = [];
    await stage.node(({ type }) => {
      seen.push(type);
    });
    const client = await stage.client();
    const signal = AbortSignal.abort(new Error('changed my mind'));
    const error = await expectFailure(
      client.requestKey('k', 'Aborted', null, { signal }),
      'ABORTED',
      'not-executed',
    );
    expect(error.message).toContain('changed my mind');
    await expectFailure(client.notifyKey('k', 'Aborted', null, { signal }), 'ABORTED', 'not-executed');
    await client.requestKey('k', 'Barrier');
    expect(seen).toEqual(['Barrier']);
  },

  async 'does not send a request that is aborted in the turn it was made'(stage) {
    const seen: string[] = [];
    await stage.node(({ type }) => {
      seen.push(type);
    });
    const client = await stage.client();
    const controller = new AbortController();
    const answer = client.requestKey('k', 'Aborted', null, { signal: controller.signal });
    controller.abort();
    await expectFailure(answer, 'ABORTED', 'not-executed');
    await client.requestKey('k', 'Barrier');
    expect(seen).toEqual(['Barrier']);
  },

  async 'ends a request at once, outcome unknown, when it is aborted while the handler runs'(stage) {
    const started = deferred();
    const gate = deferred<string>();
    await stage.node(({ type }) => {
      if (type === 'Next') return 'next';
      started.resolve();
      return gate.promise;
    });
    const client = await stage.client();
    const controller = new AbortController();
    const answer = client.requestKey('k', 'Aborted', null, { signal: controller.signal });
    await started.promise;
    controller.abort(new Error('changed my mind'));
    await expectFailure(answer, 'ABORTED', 'unknown');
    gate.resolve('nobody listens');
    expect(await client.requestKey('k', 'Next')).toBe('next');
  },

  async 'fires the signal of the running handler when the caller aborts'(stage) {
    const started = deferred();
    const fired = deferred();
    const node = await stage.node((_, { signal }) => {
      signal.addEventListener('abort', () => {
        fired.resolve();
      });
      started.resolve();
      return new Promise(() => undefined);
    });
    const client = await stage.client({ timeoutMs: 60_000 }); // so that no deadline fires a signal
    const controller = new AbortController();
    const answer = client.requestKey('k', 'Aborted', null, { signal: controller.signal });
    await started.promise;
    controller.abort();
    await expectFailure(answer, 'ABORTED', 'unknown');
    await fired.promise;
    expect(node.inFlight).toBe(0);
  },

  async 'fires only the signal of the request that was aborted'(stage) {
    const signals = new Map<unknown, AbortSignal>();
    const gate = deferred();
    const started = deferred();
    const fired = deferred();
    await stage.node(async ({ payload }, { signal }) => {
      signals.set(payload, signal);
      if (payload === 1) {
        signal.addEventListener('abort', () => {
          fired.resolve();
        });
      }
      if (signals.size === 3) started.resolve();
      await gate.promise;
      return payload;
    });
    const client = await stage.client({ timeoutMs: 60_000 }); // so that no deadline fires a signal
    const controller = new AbortController();
    const first = client.requestKey('k', 'Hang', 0);
    const aborted = client.requestKey('k', 'Hang', 1, { signal: controller.signal });
    const last = client.requestKey('k', 'Hang', 2);
    await started.promise;
    controller.abort();
    await expectFailure(aborted, 'ABORTED', 'unknown');
    await fired.promise;
    gate.resolve();
    expect(await Promise.all([first, last])).toEqual([0, 2]);
    expect([signals.get(0)!.aborted, signals.get(2)!.aborted]).toEqual([false, false]);
  },

  async 'listens once to a signal that many calls share, and ends all of them when it fires'(stage) {
    const gate = deferred();
    await stage.node(async ({ type }) => {
      if (type === 'Hang') await gate.promise;
    });
    const client = await stage.client({ timeoutMs: 60_000 });
    const signal = new CountingSignal();
    const all = (type: string): Promise<unknown>[] =>
      Array.from({ length: 50 }, (_, i) => client.requestKey(`k${i}`, type, null, { signal }));
    await Promise.all(all('Get'));
    expect([signal.peak, signal.listening]).toEqual([1, 0]);
    const controller = new AbortController();
    const options = { signal: controller.signal };
    const calls = Array.from({ length: 50 }, (_, i) => client.requestKey(`k${i}`, 'Hang', null, options));
    controller.abort(new Error('changed my mind'));
    await Promise.all(calls.map((call) => expectFailure(call, 'ABORTED', 'not-executed')));
    gate.resolve();
  },

  async 'changes nothing when the signal fires after the reply, and no longer listens to it'(stage) {
    const contexts: AbortSignal[] = [];
    await stage.node(async (_, { signal }) => {
      contexts.push(signal);
      return 'done';
    });
    const client = await stage.client();
    const signal = new CountingSignal();
    const answer = client.requestKey('k', 'Get', null, { signal });
    expect(await answer).toBe('done');
    expect([signal.added, signal.listening]).toEqual([1, 0]);
    signal.dispatchEvent(new Event('abort'));
    expect(await answer).toBe('done');
    expect(await client.requestKey('k', 'Get')).toBe('done');
    expect(contexts.map(({ aborted }) => aborted)).toEqual([false, false]);
  },
};

/** A signal that tells how many listen to it. */
class CountingSignal extends EventTarget implements AbortSignal {
  readonly aborted = false;
  readonly reason = undefined;
  onabort = null;
  added = 0;
  listening = 0;
  /** The most at a time. */
  peak = 0;

  throwIfAborted(): void {}

  override addEventListener(...args: Parameters<EventTarget['addEventListener']>): void {
    this.added++;
    this.listening++;
    this.peak = Math.max(this.peak, this.listening);
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget['removeEventListener']>): void {
    this.listening--;
    super.removeEventListener(...args);
  }
}
