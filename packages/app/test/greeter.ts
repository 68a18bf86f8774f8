/** The actor of these tests: greets, tells where it lives, and waits at a gate. */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';

export const Greeter = defineActor('greeter', {
  greet: request<{ name: string }, string>(),
  whereAreYou: request<void, string>({ readonly: true }),
  askAnother: request<{ key: string }, string>(),
  wait: request<void, string>(),
});

export interface GreeterUnderTest {
  readonly actor: Actor;
  /** A handler waits. */
  readonly waiting: Deferred<AbortSignal>;
  /** Lets it end. */
  readonly gate: Deferred<string>;
  /** What `passivate` was told, as `key: reason`. */
  readonly ends: string[];
}

export function createGreeter(): GreeterUnderTest {
  const waiting = deferred<AbortSignal>();
  const gate = deferred<string>();
  const ends: string[] = [];
  const actor = Greeter.implement({
    setup: ({ key }) => ({ greeting: `hello from ${key}` }),
    handlers: {
      greet: ({ greeting }, { name }) => `${greeting}, ${name}`,
      whereAreYou: (_state, _input, { nodeId }) => nodeId,
      askAnother: (_state, { key }, ctx) => ctx.ref(Greeter, key).whereAreYou(),
      wait(_state, _input, { signal }) {
        waiting.resolve(signal);
        return gate.promise;
      },
    },
    passivate: (_state, { key, reason }) => ends.push(`${key}: ${reason}`),
  });
  return { actor, waiting, gate, ends };
}
