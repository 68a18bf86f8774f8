/** Starts in a cluster that end half-way: nothing that was opened stays open. */
import process from 'node:process';
import type { Cluster, Membership } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { memoryCluster } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { createGreeter } from './greeter.ts';

const SIGNAL = 'SIGUSR2';
const { actor } = createGreeter();

/** A cluster whose stores open when `opened` resolves; `open` counts those that are open. */
function slowCluster(opened: Promise<unknown>): { cluster: Cluster; open: () => number } {
  const inner = memoryCluster();
  let open = 0;
  const membership = (service?: string): Membership => {
    const given = inner.membership(service);
    return {
      ...given,
      open: async (context) => {
        await opened;
        const store = await given.open(context);
        open++;
        const close = store.close.bind(store);
        let closing: Promise<void> | undefined;
        store.close = () => {
          if (closing === undefined) open--;
          return (closing ??= close());
        };
        return store;
      },
    };
  };
  return { cluster: { ...inner, membership }, open: () => open };
}

test('a signal while the store of a node opens ends the start, and closes the store once it is open', async () => {
  const opened = deferred<undefined>();
  const { cluster, open } = slowCluster(opened.promise);
  const starting = createApp({ cluster, actors: [actor], signals: [SIGNAL], logger: false });
  const failed = expect(starting).rejects.toMatchObject({ code: 'ABORTED', outcome: 'not-executed' });
  await new Promise((resolve) => setImmediate(resolve));
  process.emit(SIGNAL, SIGNAL);
  await new Promise((resolve) => setImmediate(resolve));
  opened.resolve(undefined);
  await failed;
  expect(open()).toBe(0);
  expect(process.listenerCount(SIGNAL)).toBe(0);
});

test('an app that has started closes the stores of its nodes', async () => {
  const { cluster, open } = slowCluster(Promise.resolve());
  const app = await createApp({ cluster, actors: [actor], signals: [], logger: false });
  expect(open()).toBe(1);
  await app.close();
  expect(open()).toBe(0);
});
