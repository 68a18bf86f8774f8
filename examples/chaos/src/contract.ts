/** What the counters of a chaos cluster can be asked. */
import { defineActor, request } from '@clstr/actors';

/** What a call does besides its own work. */
export interface Work {
  /** How long its handler waits first. */
  readonly delayMs?: number | undefined;
  /** How long its handler keeps the event loop busy first. */
  readonly blockMs?: number | undefined;
}

/** Both answer the value, `increment` the new one. */
export const Counter = defineActor('counter', {
  increment: request<Work | undefined, number>(),
  get: request<Work | undefined, number>({ readonly: true }),
});
