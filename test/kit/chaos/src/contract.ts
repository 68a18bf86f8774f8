/** The contract of the counters in a chaos cluster. */
import { defineActor, request } from '@clstr/actors';

/** What a call does in addition to its work. */
export interface Work {
  /** How long its handler waits first. */
  readonly delayMs?: number | undefined;
  /** How long its handler first blocks the event loop. */
  readonly blockMs?: number | undefined;
}

/** Both methods answer the value, `increment` the new one. */
export const Counter = defineActor('counter', {
  increment: request<Work | undefined, number>(),
  get: request<Work | undefined, number>({ readonly: true }),
});
