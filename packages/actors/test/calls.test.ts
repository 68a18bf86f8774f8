import { defineActor, notify, request } from '@clstr/actors';
import type { CallResult, Client, KeyedCall } from '@clstr/core';
import { describe, expect, expectTypeOf, test } from 'vitest';

const Stock = defineActor('stock', {
  reserve: request<{ count: number }, { left: number }>(),
  left: request<void, number>({ readonly: true }),
  touch: notify<void>(),
});

describe('the calls of a contract', () => {
  test('are what its refs would send, as data', () => {
    expect(Stock.call('pen').reserve({ count: 2 }, { headers: { a: 'b' } })).toEqual({
      key: 'pen',
      type: 'stock.reserve',
      payload: { count: 2 },
      options: { headers: { a: 'b' } },
      service: undefined,
    });
    expect(Stock.call('pen').left()).toMatchObject({ type: 'stock.left', options: { idempotent: true } });
  });

  test('name the service of the contract', () => {
    const Price = defineActor('price', { get: request<void, number>() }, { service: 'prices' });
    expect(Price.call('pen').get()).toMatchObject({ key: 'pen', service: 'prices' });
  });

  test('know the types of their inputs and results', () => {
    expectTypeOf(Stock.call('pen').reserve).parameter(0).toEqualTypeOf<{ count: number }>();
    expectTypeOf(Stock.call('pen').reserve({ count: 1 })).toEqualTypeOf<KeyedCall<{ left: number }>>();
    expectTypeOf<keyof ReturnType<typeof Stock.call>>().toEqualTypeOf<'reserve' | 'left'>();
    const rows = (client: Client) =>
      client.requestMany(['pen', 'ink'].map((sku) => Stock.call(sku).reserve({ count: 1 })));
    expectTypeOf(rows).returns.resolves.toEqualTypeOf<CallResult<{ left: number }>[]>();
  });

  test('are none for a notify, which has no answer', () => {
    const calls = Stock.call('pen') as unknown as { touch(): unknown };
    expect(() => calls.touch()).toThrow(
      expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining('stock.touch') }),
    );
  });
});
