import { defineActor, needs, request } from '@clstr/actors';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { createApp } from '../src/app.ts';

interface Rates {
  of(currency: string): number;
}

const Wallet = defineActor('wallet', { worth: request<{ currency: string }, number>() });
const wallet = Wallet.implement({
  services: needs<{ rates: Rates }>(),
  setup: () => ({ coins: 3 }),
  handlers: { worth: ({ coins }, { currency }, { services }) => coins * services.rates.of(currency) },
});
const Audit = defineActor('audit', { seen: request<void, string>() });
const audit = Audit.implement({
  services: needs<{ book: string[] }>(),
  setup: ({ key, services }) => void services.book.push(key),
  handlers: { seen: (_state, _input, { services }) => services.book.join() },
});

test('services reach the code of all actors that need them', async () => {
  await using app = await createApp({
    transport: () => memoryTransport(),
    actors: [wallet, audit],
    services: { rates: { of: (currency) => (currency === 'EUR' ? 2 : 1) }, book: [] },
  });
  expect(await app.ref(Wallet, 'mine').worth({ currency: 'EUR' })).toBe(6);
  expect(await app.ref(Audit, 'one').seen()).toBe('one');
});

test('services that are not an object are refused', async () => {
  const start = createApp({ transport: () => memoryTransport(), actors: [wallet], services: 5 as never });
  await expect(start).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: 'actorHandler: services must be an object, got 5',
  });
});
