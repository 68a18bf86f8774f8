/** Calls to the oracle at full speed: a number of loops that each await an answer, check it and ask the next key. */
import { performance } from 'node:perf_hooks';
import type { Client } from '@clstr/core';
import { Oracle } from '../contenders/clstr-actors.ts';
import { checkAnswer, questionOf } from '../payload.ts';

export const NUM_SHARDS = 1_024;
const IN_FLIGHT = 1_024;

/**
 * Makes `calls` calls, the n-th to the actor of `keyOf(n)`. Resolves to calls per second.
 *
 * @throws Error when a call fails or is answered with anything but its own answer.
 */
export async function askOracle(
  client: Client,
  calls: number,
  keyOf: (n: number) => string,
): Promise<number> {
  let asked = 0;
  const keepOneInFlight = async (): Promise<void> => {
    while (asked < calls) {
      const question = questionOf(asked, keyOf(asked));
      asked += 1;
      checkAnswer(question, await Oracle.ref(client, question.key).ask(question));
    }
  };
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, keepOneInFlight));
  return (calls / (performance.now() - startedAt)) * 1_000;
}

/** A key as long as those of the contenders, so that the payload has its 64 bytes. */
export function keyNumber(n: number): string {
  return `u-${String(n).padStart(7, '0')}`;
}
