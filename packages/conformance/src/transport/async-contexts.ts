/** What a caller or a handler puts into an `AsyncLocalStorage` stays with it: no message runs in that of another. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { ConnectionEvent, NotifyFailure } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import type { Stage } from './stage.ts';

const store = new AsyncLocalStorage<string>();

export const asyncContexts: Behaviours = {
  async 'runs a handler outside the context of its caller, before and after it waits'(stage) {
    await stage.node(async () => {
      const before = store.getStore();
      await Promise.resolve();
      return [before ?? 'none', store.getStore() ?? 'none'];
    });
    const client = await stage.client();
    expect(await store.run('caller', () => client.requestKey('k', 'Look'))).toEqual(['none', 'none']);
    expect(await client.requestKey('k', 'Look')).toEqual(['none', 'none']);
  },

  async 'keeps the context that a handler enters from other messages of its batch, and from later ones'(
    stage,
  ) {
    const client = await stage.client();
    await enteringNode(stage);
    const look = (): Promise<unknown> => client.requestKey('k', 'Look');
    await look();
    expect(await Promise.all([look(), client.requestKey('k', 'Enter'), look()])).toEqual([
      'none',
      'entered',
      'none',
    ]);
    expect(await Promise.all([look(), client.requestKey('k', 'EnterLater'), look()])).toEqual([
      'none',
      'entered',
      'none',
    ]);
    expect(await look()).toBe('none');
    expect(store.getStore()).toBeUndefined();
  },

  async 'runs an interceptor and its handler in one context, which no other message shares'(stage) {
    const client = await stage.client();
    await stage.node(() => store.getStore() ?? 'none', {
      interceptors: [
        (request, _context, next) => {
          const outside = store.getStore() ?? 'none';
          return store.run(String(request.payload), () => `${outside} ${String(next(request))}`);
        },
      ],
    });
    const calls = ['a', 'b', 'c'].map((name) => client.requestKey('k', 'Look', name));
    expect(await Promise.all(calls)).toEqual(['none a', 'none b', 'none c']);
  },

  async 'delivers a reply in the context of its caller'(stage) {
    await enteringNode(stage);
    const client = await stage.client();
    const call = (name: string): Promise<string | undefined> =>
      store.run(name, async () => {
        await client.requestKey('k', 'Enter');
        return store.getStore();
      });
    expect(await Promise.all([call('a'), call('b')])).toEqual(['a', 'b']);
  },

  async 'fires the signal of a handler outside the contexts of other messages and of the caller that aborts'(
    stage,
  ) {
    const started = deferred();
    const fired = deferred<string>();
    await stage.node(({ type }, { signal }) => {
      if (type === 'Enter') store.enterWith('entered');
      if (type === 'Enter') return undefined;
      signal.addEventListener('abort', () => {
        fired.resolve(store.getStore() ?? 'none');
      });
      started.resolve();
      return new Promise((resolve) => void fired.promise.then(resolve));
    });
    const client = await stage.client();
    await client.requestKey('k', 'Enter');
    const controller = new AbortController();
    const answer = client.requestKey('k', 'Hang', null, { signal: controller.signal });
    answer.catch(() => undefined);
    await started.promise;
    store.run('caller', () => {
      controller.abort();
    });
    expect(await fired.promise).toBe('none');
  },

  async 'calls onNotifyFailed outside the context of any caller'(stage) {
    const failed = deferred<NotifyFailure>();
    const seen: unknown[] = [];
    const client = await stage.client({
      onNotifyFailed: (failure) => {
        seen.push(store.getStore());
        failed.resolve(failure);
      },
    });
    // The last refusal of one may still be on its way at its deadline: that one counts as delivered.
    for (const timeoutMs of [50, 500, 5_000]) {
      await store.run('caller', () => client.notifyKey('k', 'Touch', null, { timeoutMs }));
    }
    await failed.promise;
    expect(new Set(seen)).toEqual(new Set([undefined]));
  },

  async 'calls listeners of the connection outside the context of the code that ends it'(stage) {
    const transport = await stage.transport();
    const events: [ConnectionEvent['state'], string | undefined][] = [];
    transport.onConnection(({ state }) => events.push([state, store.getStore()]));
    await store.run('caller', () => transport.close());
    expect(events).toEqual([['closed', undefined]]);
  },
};

/** Its handlers answer with what they find, after they entered a store or not. */
async function enteringNode(stage: Stage): Promise<void> {
  await stage.node(({ type }) => {
    const found = store.getStore() ?? 'none';
    if (type === 'Look') return found;
    if (type === 'EnterLater') return Promise.resolve().then(enter);
    return enter();
  });
}

function enter(): string {
  store.enterWith('entered');
  return store.getStore() ?? 'none';
}
