import { defineActor, request } from '@clstr/actors';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, expectTypeOf, test } from 'vitest';
import { createApp } from '../src/app.ts';

interface Rates {
  of(currency: string): number;
}

declare module '@clstr/actors' {
  interface Services {
    // Optional only because these tests share one program with all others.
    rates?: Rates;
  }
}

const Wallet = defineActor('wallet', { worth: request<{ currency: string }, number>() });
const wallet = Wallet.implement({
  setup: () => ({ coins: 3 }),
  handlers: {
    worth({ coins }, { currency }, { services }) {
      expectTypeOf(services.rates).toEqualTypeOf<Rates | undefined>();
      return coins * (services.rates?.of(currency) ?? 0);
    },
  },
});

test('services reach actor code with the type that was declared for them', async () => {
  const rates: Rates = { of: (currency) => (currency === 'EUR' ? 2 : 1) };
  await using app = await createApp({
    transport: () => memoryTransport(),
    actors: [wallet],
    services: { rates },
  });
  const worth = await app.ref(Wallet, 'mine').worth({ currency: 'EUR' });
  expectTypeOf(worth).toEqualTypeOf<number>();
  expect(worth).toBe(6);
});

test('services of another type do not compile', () => {
  const start = () =>
    createApp({
      transport: () => memoryTransport(),
      actors: [wallet],
      // @ts-expect-error -- rates are no number
      services: { rates: 5 },
    });
  expect(start).toBeTypeOf('function');
});
