/** A counter that saves to the fenced store before it answers, so that acknowledged increments outlive its node. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Actor, ActorContext } from '@clstr/actors';
import type { FencedStoreClient } from '@clstr/testing/internal';
import type { Work } from './contract.ts';
import { Counter } from './contract.ts';
import type { HandlerLog } from './handler-log.ts';
import { nowMs } from './now.ts';

interface State {
  value: number;
}

/** How many messages may wait for one counter. */
const MAILBOX = 16_384;

export function counterActor(store: FencedStoreClient, log: HandlerLog): Actor<State> {
  return Counter.implement<State>({
    setup: async ({ key }) => ({ value: (await store.read(key)).value }),
    handlers: {
      increment: (state, work, context) =>
        log.around(context, async () => {
          await spend(work, context);
          const value = state.value + 1;
          const written = await store.write(context.key, value, context.fencingToken!);
          if (written.kind === 'refused') throw new Error(`the store refused: ${written.why}`);
          return (state.value = value);
        }),
      get: (state, work, context) =>
        log.around(context, async () => {
          await spend(work, context);
          return state.value;
        }),
    },
    mailbox: MAILBOX,
    // The store has what another owner may have written in the meantime.
    onError: 'restart',
  });
}

async function spend(work: Work | undefined, { signal }: ActorContext): Promise<void> {
  const { delayMs, blockMs } = work ?? {};
  if (blockMs !== undefined) {
    const endMs = nowMs() + blockMs;
    while (nowMs() < endMs);
  }
  if (delayMs !== undefined && delayMs > 0) await sleep(delayMs, undefined, { signal });
}
