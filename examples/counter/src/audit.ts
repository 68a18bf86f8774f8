/** Holds what the cluster shows against what the client was told: every difference, as a sentence for people. */
import type { Client } from '@clstr/core';
import { Counter } from './contract.ts';
import { inFlight } from './in-flight.ts';
import type { Account, LoadResult } from './load.ts';

/** Reads every counter back. Only with no uncertain increment, which takes an error, is there but one right value. */
export async function auditCounters(
  client: Client,
  accounts: readonly Account[],
  concurrency: number,
): Promise<string[]> {
  const differences: string[] = [];
  await inFlight(accounts.length, concurrency, async (index) => {
    const { key, acknowledged, uncertain } = accounts[index]!;
    // Whatever the contract says: this is a check.
    const value: unknown = await Counter.ref(client, key).get();
    const isRight = typeof value === 'number' && value >= acknowledged && value <= acknowledged + uncertain;
    if (isRight) return;
    const expected = uncertain === 0 ? `${acknowledged}` : `${acknowledged} to ${acknowledged + uncertain}`;
    differences.push(`${key}: expected ${expected}, got ${JSON.stringify(value)}`);
  });
  return differences;
}

/** Every increment must have run on the node that owns its key, and once. */
export function auditNodes({ tallies }: LoadResult, increments: ReadonlyMap<string, number>): string[] {
  return tallies
    .filter(({ member, requests, errors }) => {
      const ran = increments.get(member.id);
      // One that failed may have run or not.
      return ran === undefined || ran > requests || ran < requests - errors;
    })
    .map(({ member, requests }) => {
      const ran = increments.get(member.id) ?? 'no count';
      return `${member.id}: expected ${requests} increments for its keys, got ${ran}`;
    });
}
