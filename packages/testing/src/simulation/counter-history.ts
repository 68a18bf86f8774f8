/** The calls of simulated clients to counters, and a check that their answers are consistent. */
import type { Outcome } from '@clstr/core';

export interface CounterCall {
  readonly key: string;
  readonly id: number;
  readonly invokedMs: number;
  endedMs: number | undefined;
  value: number | undefined;
  outcome: 'pending' | 'ok' | Outcome;
  /** How often its handler started. */
  starts: number;
  readonly isIdempotent: boolean;
  /** The number of the client. */
  readonly client: number;
  /** How often the client sent it. */
  sends: number;
}

/** Returns a text for each problem with the increments of one key; `stored` is the value at the end. */
export function checkCounter(key: string, calls: readonly CounterCall[], stored: number): string[] {
  const wrong: string[] = [];
  const ok = calls.filter((call) => call.outcome === 'ok').sort((a, b) => a.value! - b.value!);
  for (let i = 1; i < ok.length; i++) {
    const [before, after] = [ok[i - 1]!, ok[i]!];
    if (before.value === after.value) wrong.push(`${key}: two increments were answered ${after.value}`);
  }
  // In order of value, no call may have ended before one with a smaller value began.
  let earliestEndMs = Infinity;
  for (const call of [...ok].reverse()) {
    if (call.invokedMs > earliestEndMs) {
      wrong.push(
        `${key}: an increment answered ${call.value} began after one with a greater value had ended`,
      );
    }
    earliestEndMs = Math.min(earliestEndMs, call.endedMs!);
  }
  const last = ok.at(-1)?.value ?? 0;
  if (last > stored) wrong.push(`${key}: ${last} was acknowledged, but ${stored} is stored`);
  if (ok.length > stored)
    wrong.push(`${key}: ${ok.length} increments were acknowledged, ${stored} are stored`);
  const mayHaveRun = calls.reduce((sum, call) => sum + call.starts, 0);
  if (stored > mayHaveRun) wrong.push(`${key}: ${stored} are stored, but ${mayHaveRun} handlers started`);
  return wrong;
}
