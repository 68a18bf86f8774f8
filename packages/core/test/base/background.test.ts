import { expect, test, vi } from 'vitest';
import { inBackground } from '../../src/base/background.ts';
import { silentLogger } from '../../src/base/logger.ts';

test('reports work that fails, by its name', async () => {
  const error = vi.fn();
  const err = new Error('broken');
  const work = Promise.reject(err);
  inBackground(work, 'cleaning up', { ...silentLogger, error });
  await work.catch(() => undefined);
  expect(error).toHaveBeenCalledExactlyOnceWith({ event: 'background.failed', err }, 'cleaning up failed');
});

test('logs nothing about work that succeeds', async () => {
  const error = vi.fn();
  const work = Promise.resolve(5);
  inBackground(work, 'cleaning up', { ...silentLogger, error });
  await work;
  expect(error).not.toHaveBeenCalled();
});
