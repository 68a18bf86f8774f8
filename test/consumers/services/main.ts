/** Services that are required have to be given wherever actors are run for good; a test gives what it needs. */
import { actorHandler, defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { testActor, testCluster } from '@clstr/testing';
import { natsTransport } from '@clstr/transport-nats';

export interface Rates {
  of(currency: string): number;
}

declare module '@clstr/actors' {
  interface Services {
    rates: Rates;
    trace?: (text: string) => void;
  }

  /** What the codec of this program carries. */
  interface CarriedValues {
    date: Date;
  }
}

export const Diary = defineActor('diary', { last: request<void, { readonly at: Date }>() });
// @ts-expect-error -- no codec of this program carries a Map
defineActor('bad', { all: request<void, Map<string, Date>>() });

export const Wallet = defineActor('wallet', { worth: request<{ currency: string }, number>() });

export const wallet = Wallet.implement({
  setup: () => ({ coins: 3 }),
  handlers: {
    worth({ coins }, { currency }, { services }) {
      services.trace?.(currency);
      // @ts-expect-error -- it need not be there
      services.trace(currency);
      return coins * services.rates.of(currency);
    },
  },
});

const transport = () => natsTransport({ servers: 'nats://127.0.0.1:4222', token: 'x' });
const actors = [wallet];
const services = { rates: { of: () => 2 } };

export const handlers = [
  actorHandler(actors, { services }),
  actorHandler(actors, { services, cacheSize: 5 }),
  // @ts-expect-error -- services are missing
  actorHandler(actors),
  // @ts-expect-error -- services are missing
  actorHandler(actors, { cacheSize: 5 }),
  // @ts-expect-error -- the rates are missing
  actorHandler(actors, { services: {} }),
  // @ts-expect-error -- rates are no number
  actorHandler(actors, { services: { rates: 5 } }),
];

export async function run(): Promise<void> {
  await using app = await createApp({ transport, actors, services });
  await app.ref(Wallet, 'mine').worth({ currency: 'EUR' });
  // @ts-expect-error -- services are missing
  await createApp({ transport, actors });

  testActor(Wallet, wallet, { services });
  testActor(Wallet, wallet);
  await testCluster({ actors, services });
  await testCluster({ handler: () => 'none' });
  // @ts-expect-error -- rates are no number
  testActor(Wallet, wallet, { services: { rates: 5 } });
}
