/** The store: what it refuses. */
import { expect, test } from 'vitest';
import { StaleWriteError, next, openStore } from '../src/store.ts';

test('refuses a write of a former owner, by version or fencing token, with all that belongs to it', () => {
  const store = openStore(':memory:');
  const former = store.load('stock', 'tea', { reserved: 0 });
  const owner = store.load('stock', 'tea', { reserved: 0 });
  store.save(2, next(owner, { reserved: 1 }));
  const other = store.load('reservation', 'tea/o1', {});
  const late = (token: number): void =>
    store.save(token, next(other, { quantity: 5 }), next(former, { reserved: 5 }));
  expect(() => late(3)).toThrow(new StaleWriteError('stock tea has a newer version'));
  former.version = owner.version;
  expect(() => late(1)).toThrow(new StaleWriteError('stock tea has a newer owner'));
  expect(former.value).toEqual({ reserved: 0 });
  expect([...store.all('stock')]).toEqual([['tea', { reserved: 1 }]]);
  expect([...store.all('reservation')]).toEqual([]);
  store.save(2, next(owner, { reserved: 2 }));
  expect(store.load('stock', 'tea', {})).toMatchObject({ version: 2, value: { reserved: 2 } });
  store.close();
});
