/** The contract of a counter: all that a client imports. */
import { defineActor, request, type } from '@clstr/actors';
import { z } from 'zod';

export const MAX_AMOUNT = 1_000_000_000;

const error = `must be a whole number from 1 to ${MAX_AMOUNT}`;
const increment = z.object({ amount: z.int({ error }).min(1, { error }).max(MAX_AMOUNT, { error }) });

/** The counter of a key, which starts at 0. Both methods answer its value. */
export const Counter = defineActor('counter', {
  increment: request({ input: increment, output: type<number>() }),
  get: request<void, number>({ readonly: true }),
});

export type Increment = z.infer<typeof increment>;
