/** What actors need has to be given wherever they run; what they do not need is not asked for. */
import { actorHandler, defineActor, needs, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { testActor, testCluster } from '@clstr/testing';
import { natsTransport } from '@clstr/transport-nats';

export interface Rates {
  of(currency: string): number;
}

declare module '@clstr/actors' {
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
  services: needs<{ rates: Rates; trace?: (text: string) => void }>(),
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

export const diary = Diary.implement({
  services: needs<{ now: () => Date }>(),
  setup: () => null,
  handlers: { last: (_state, _input, { services }) => ({ at: services.now() }) },
});

export const Echo = defineActor('echo', { say: request<string, string>() });
export const echo = Echo.implement({ setup: () => null, handlers: { say: (_state, text) => text } });

const transport = () => natsTransport({ servers: 'nats://127.0.0.1:4222', token: 'x' });
const actors = [wallet, echo];
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
  actorHandler([wallet, diary], { services: { ...services, now: () => new Date() } }),
  // @ts-expect-error -- the diary needs a clock
  actorHandler([wallet, diary], { services }),
  actorHandler([echo]),
  actorHandler([echo], { cacheSize: 5 }),
];

export async function run(): Promise<void> {
  await using app = await createApp({ transport, actors, services });
  await app.ref(Wallet, 'mine').worth({ currency: 'EUR' });
  // @ts-expect-error -- services are missing
  await createApp({ transport, actors });
  await createApp({ transport, actors: [echo] });

  testActor(Wallet, wallet, { services });
  // @ts-expect-error -- services are missing
  testActor(Wallet, wallet);
  testActor(Echo, echo);
  await testCluster({ actors, services });
  // @ts-expect-error -- services are missing
  await testCluster({ actors });
  await testCluster({ actors: [echo] });
  await testCluster({ handler: () => 'none' });
  // @ts-expect-error -- rates are no number
  testActor(Wallet, wallet, { services: { rates: 5 } });
}
