import { defineActor, notify, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { memoryTransport } from '@clstr/transport-memory';
import { z } from 'zod';

const Counter = defineActor('counter', {
  add: request({ input: z.object({ by: z.number() }), output: z.number() }),
  get: request<void, number>({ readonly: true }),
  reset: notify<{ reason: string }>(),
});

const counter = Counter.implement({
  setup: () => ({ value: 0 }),
  handlers: {
    add: (state, { by }) => (state.value += by),
    get: (state) => state.value,
    reset: (state, { reason }, ctx) => {
      ctx.log.info({ reason });
      state.value = 0;
    },
  },
});

const app = await createApp({ transport: () => memoryTransport(), actors: [counter] });
console.log(await app.ref(Counter, 'user-123').add({ by: 2 })); // 2: a number, inferred
await app.close();
