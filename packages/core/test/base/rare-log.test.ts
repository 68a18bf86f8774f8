import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { createRareLog } from '../../src/base/rare-log.ts';
import { recordLog } from '@clstr/testing/internal';

function create() {
  const clock = fakeClock();
  const logger = recordLog();
  const log = createRareLog(logger, clock);
  const lines = () => logger.lines.map(({ level, message }) => `${level}: ${message}`);
  return { clock, logger, log, lines };
}

describe('a rare log', () => {
  test('writes the first line of a kind at once, with its fields', () => {
    const { log, logger } = create();
    log.warn('store', { a: 1 }, 'the store refuses');
    expect(logger.lines).toEqual([{ level: 'warn', fields: { a: 1 }, message: 'the store refuses' }]);
  });

  test('makes 108 equal warnings in 23 s into two lines, the second with a count', async () => {
    const { log, lines, clock } = create();
    for (let i = 0; i < 108; i++) {
      log.warn('store', {}, 'no');
      await clock.advance(23_000 / 108);
    }
    expect(lines()).toEqual(['warn: no', 'warn: no (47 times in 10 s)']);
    expect(log.over('store')).toBe(108);
  });

  test('doubles the pause up to ten minutes', async () => {
    const { log, logger, clock } = create();
    const saidAt: number[] = [];
    for (let second = 0; second < 3_000; second++) {
      const before = logger.lines.length;
      log.warn('store', {}, 'no');
      if (logger.lines.length > before) saidAt.push(second);
      await clock.advance(1_000);
    }
    expect(saidAt).toEqual([0, 10, 30, 70, 150, 310, 630, 1_230, 1_830, 2_430]);
  });

  test('keeps kinds apart, and the level of each line', () => {
    const { log, lines } = create();
    log.warn('a', {}, 'a');
    log.error('b', {}, 'b');
    log.warn('a', {}, 'a');
    expect(lines()).toEqual(['warn: a', 'error: b']);
  });

  test('begins anew after the condition is over, and says how often it occurred', () => {
    const { log, lines } = create();
    expect(log.over('a')).toBe(0);
    log.warn('a', {}, 'a');
    log.warn('a', {}, 'a');
    expect(log.over('a')).toBe(2);
    log.warn('a', {}, 'a');
    expect(lines()).toEqual(['warn: a', 'warn: a']);
  });

  test('takes a condition that was quiet for a minute for a new one', async () => {
    const { log, logger, clock } = create();
    const saidAt: number[] = [];
    for (const second of [0, 5, 10, 30, 70, 100, 130, 161, 165, 225, 226]) {
      await clock.advance(second * 1_000 - clock.monoMs());
      if (log.warn('store', {}, 'no')) saidAt.push(second);
    }
    expect(saidAt).toEqual([0, 10, 30, 70, 161, 225]);
    expect(logger.lines.at(-1)!.message).toBe('no (2 times in 64 s)');
  });

  test('lets all kinds after the 64th share one pause, so that made-up kinds neither grow it nor flood the log', () => {
    const { log, logger } = create();
    for (let i = 0; i < 10_000; i++) log.warn(`kind ${i}`, {}, 'no');
    expect(logger.lines).toHaveLength(65);
  });
});
