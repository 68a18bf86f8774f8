import process from 'node:process';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { createApp } from '../src/app.ts';
import type { App } from '../src/app.ts';
import { createGreeter } from './greeter.ts';

const SIGNAL = 'SIGUSR2';

function start(): Promise<App> {
  return createApp({
    transport: () => memoryTransport(),
    actors: [createGreeter().actor],
    numShards: 1,
    signals: [SIGNAL],
  });
}

test('many apps in one process share a listener per signal, which goes with the last of them', async () => {
  const before = process.listenerCount(SIGNAL);
  const apps = await Promise.all(Array.from({ length: 12 }, start));
  expect(process.listenerCount(SIGNAL)).toBe(before + 1);
  const [first, ...others] = apps;
  await first!.close();
  expect(process.listenerCount(SIGNAL)).toBe(before + 1);
  process.emit(SIGNAL, SIGNAL);
  await Promise.all(others.map((app) => app.close()));
  expect(apps.map(({ node }) => node.state)).toEqual(apps.map(() => 'closed'));
  expect(process.listenerCount(SIGNAL)).toBe(before);
});
