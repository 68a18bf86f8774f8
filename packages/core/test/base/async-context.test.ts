import { AsyncLocalStorage, executionAsyncId } from 'node:async_hooks';
import { systemClock } from '@clstr/core';
import { captureContext, detached } from '@clstr/core/internal';
import { describe, expect, test } from 'vitest';

const store = new AsyncLocalStorage<string>();
const look = (): string => store.getStore() ?? 'none';

describe('detached()', () => {
  test('calls in an empty context, passes arguments, and gives the result back', () => {
    const call = (a: number, b: string): string => `${a} ${b} ${look()}`;
    expect(store.run('caller', () => detached(call, 1, 'b'))).toBe('1 b none');
  });

  test('ends what the function enters, for its caller and for the next call', () => {
    store.run('caller', () => {
      for (let i = 0; i < 200; i++) {
        expect(detached(look)).toBe('none');
        detached(() => store.enterWith('entered'));
        expect(look()).toBe('caller');
      }
    });
  });

  test('passes on an error of the function, and returns to the context of the caller', () => {
    const error = new Error('on purpose');
    store.run('caller', () => {
      expect(() =>
        detached(() => {
          throw error;
        }),
      ).toThrow(error);
      expect(look()).toBe('caller');
    });
  });

  test('is a context of its own each time, as tools that watch async resources see it', () => {
    expect(detached(executionAsyncId)).not.toBe(detached(executionAsyncId));
  });
});

test('captureContext() keeps the stores of its caller, and what is entered in it stays there', () => {
  const context = store.run('caller', captureContext);
  const seen = store.run('other', () =>
    context.runInAsyncScope((suffix: string) => look() + suffix, undefined, '!'),
  );
  expect(seen).toBe('caller!');
  store.run('caller', () => {
    captureContext().runInAsyncScope(() => store.enterWith('entered'));
    expect(look()).toBe('caller');
  });
});

test('a timer of the system clock keeps no store of the call that set it', async () => {
  const seen = await store.run(
    'caller',
    () => new Promise((resolve) => systemClock.timer(() => resolve(look()), 1)),
  );
  expect(seen).toBe('none');
});
