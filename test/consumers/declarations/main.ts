/** Declarations of a program that depends on no package but those it imports: each type it exports has a name there. */
import { defineActor, notify, request } from '@clstr/actors';
import { createApp, stderrLogger } from '@clstr/app';
import { memoryMembership, memoryTransport } from '@clstr/transport-memory';
import { natsMembership, natsTransport } from '@clstr/transport-nats';

export const Counter = defineActor('counter', {
  add: request<{ by: number }, number>(),
  reset: notify<{ reason: string }>(),
});
export const counter = Counter.implement({
  setup: () => ({ value: 0 }),
  handlers: {
    add: (state, { by }) => (state.value += by),
    reset(state) {
      state.value = 0;
    },
  },
});

export const app = await createApp({
  transport: () => natsTransport({ servers: 'nats://127.0.0.1:4222' }),
  membership: natsMembership(),
  actors: [counter],
});
export const client = app.client;
export const scoped = app.client.key('k');
export const info = app.client.key('k').nodeInfo();
export const node = app.node;
export const state = app.node.state;
export const transport = natsTransport();
export const membership = natsMembership();
export const logger = stderrLogger();
export const inMemory = { membership: memoryMembership(), transport: memoryTransport() };
export const refOf = (key: string) => app.ref(Counter, key);
export const add = async (key: string) => await app.ref(Counter, key).add({ by: 1 });
export const close = () => app.close();
