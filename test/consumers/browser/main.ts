/** A page knows contracts and a client, and no type of Node. */
import { defineActor, notify, request } from '@clstr/actors';
import type { Ref } from '@clstr/actors';
import { createClient, isClstrError } from '@clstr/core';
import type { Transport } from '@clstr/core';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';

export const Counter = defineActor('counter', {
  get: request<void, number>({ readonly: true }),
  reset: notify<{ reason: string }>(),
});

export async function show(transport: Transport, signal: AbortSignal): Promise<number | undefined> {
  const client = createClient({ transport });
  const counter: Ref<typeof Counter.methods> = Counter.ref(client, 'user-123');
  try {
    await counter.reset({ reason: 'shown' });
    return await counter.get(undefined, { signal, timeoutMs: 500 });
  } catch (error) {
    if (isClstrError(error, 'TIMEOUT') && error.outcome === 'unknown') return undefined;
    throw error;
  } finally {
    await client.close();
  }
}

export const inThisPage = (): Promise<number | undefined> =>
  show(memoryTransport({ bus: createMemoryBus() }), new AbortController().signal);
