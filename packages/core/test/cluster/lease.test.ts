import { expect, test } from 'vitest';
import { Lease } from '../../src/cluster/lease.ts';
import { skewedClock } from './skewed-clock.ts';

function start(lengthMs = 1_000) {
  const clock = skewedClock();
  const lease = new Lease(clock, lengthMs);
  return { clock, lease };
}

test('is not valid before a heartbeat was acknowledged', () => {
  const { lease } = start();
  expect(lease.isValid()).toBe(false);
  expect(lease.remainingMs).toBe(0);
});

test('runs from when the heartbeat was first sent, not from its acknowledgement', async () => {
  const { clock, lease } = start();
  const from = lease.now();
  await clock.advance(400);
  lease.extend(from);
  expect(lease.remainingMs).toBe(600);
  await clock.advance(600);
  expect(lease.isValid()).toBe(true);
  await clock.advance(1);
  expect(lease.isValid()).toBe(false);
  expect(lease.remainingMs).toBe(0);
});

test('is never shortened by the acknowledgement of an earlier heartbeat that comes late', async () => {
  const { clock, lease } = start();
  const early = lease.now();
  await clock.advance(300);
  lease.extend(lease.now());
  lease.extend(early);
  expect(lease.remainingMs).toBe(1_000);
});

test('ends with a pause of the process, without any timer', () => {
  const { clock, lease } = start();
  lease.extend(lease.now());
  clock.pause(1_001);
  expect(lease.isValid()).toBe(false);
});

test.each([501, -501])('is over when the wall clock alone has moved by %s ms: the machine slept', (ms) => {
  const { clock, lease } = start();
  lease.extend(lease.now());
  clock.moveWall(ms);
  expect(lease.isValid()).toBe(false);
});

test.each([500, -500])('holds while the clocks differ by %s ms, as they do when the time is set', (ms) => {
  const { clock, lease } = start();
  lease.extend(lease.now());
  clock.moveWall(ms);
  expect(lease.isValid()).toBe(true);
});
