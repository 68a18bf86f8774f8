import { expect, test } from 'vitest';
import { LateLogger } from '../../src/base/late-logger.ts';
import { recordLog } from '@clstr/testing/internal';

test('a late logger is silent until it gets a logger', () => {
  const logger = new LateLogger();
  const log = recordLog();
  logger.error({}, 'before');
  logger.use(log);
  for (const level of ['debug', 'info', 'warn', 'error'] as const) logger[level]({ level }, 'after');
  expect(log.lines.map(({ level, message }) => [level, message])).toEqual([
    ['debug', 'after'],
    ['info', 'after'],
    ['warn', 'after'],
    ['error', 'after'],
  ]);
});
