import { fakeClock } from '@clstr/testing';
import { expect, test } from 'vitest';
import { FloodLog } from '../../src/base/flood-log.ts';
import { recordLog } from '@clstr/testing/internal';

function create() {
  const clock = fakeClock();
  const logger = recordLog();
  const lines = () => logger.lines.map(({ level, message }) => `${level}: ${message}`);
  return { clock, logger, log: new FloodLog(logger, clock), lines };
}

test('a flood is ten lines and a count, which comes although nothing follows', async () => {
  const { log, lines, logger, clock } = create();
  const written = Array.from({ length: 70_000 }, (_, i) => log.error('handler.threw', { i }, `no ${i}`));
  expect(lines()).toEqual(Array.from({ length: 10 }, (_, i) => `error: no ${i}`));
  expect(written.filter(Boolean)).toHaveLength(10);
  await clock.advance(1_000);
  expect(lines().slice(10)).toEqual(['error: handler.threw: 69990 more times in one second']);
  expect(logger.lines.at(-1)!.fields).toEqual({ event: 'handler.threw', times: 69_990 });
  await clock.advance(60_000);
  expect(logger.lines).toHaveLength(11);
});

test('each kind and each second has its own ten lines', async () => {
  const { log, lines, clock } = create();
  for (let i = 0; i < 10; i++) log.warn('a', {}, 'a');
  expect(log.warn('b', {}, 'b')).toBe(true);
  await clock.advance(999);
  expect(log.warn('a', {}, 'a')).toBe(false);
  await clock.advance(1);
  expect(lines().at(-1)).toBe('warn: a: 1 more times in one second');
  expect(log.warn('a', {}, 'again')).toBe(true);
});

test('lines below the bound need no timer', () => {
  const { log, clock } = create();
  for (let i = 0; i < 10; i++) log.warn('a', {}, 'a');
  expect(clock.timerCount).toBe(0);
});
