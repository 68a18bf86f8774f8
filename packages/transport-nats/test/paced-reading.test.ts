import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { fakeClock } from '@clstr/testing';
import { expect, test } from 'vitest';
import { paceReading } from '../src/paced-reading.ts';

const KB = 1_024;

test('after each 128 kB of a socket the event loop gets a turn', async () => {
  const turns: (() => void)[] = [];
  const clock = { ...fakeClock(), macrotask: (fn: () => void) => void turns.push(fn) };
  const socket = new Readable({ read: () => undefined });
  let read = 0;
  socket.on('data', (chunk: Uint8Array) => (read += chunk.length));
  paceReading(socket as unknown as Socket, clock);
  for (let i = 0; i < 6; i++) socket.push(new Uint8Array(64 * KB));
  for (const slice of [1, 2, 3]) {
    await once(socket, 'pause');
    expect([read, turns.length]).toEqual([slice * 128 * KB, 1]);
    turns.pop()!();
  }
  expect(socket.isPaused()).toBe(false);
});
