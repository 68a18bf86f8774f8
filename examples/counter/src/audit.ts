/**
 * Compares the counters of the cluster with the replies to the client, and describes every difference in a sentence.
 */
import type { Client } from '@clstr/core';
import { Counter } from './contract.ts';
import { inFlight } from './in-flight.ts';
import type { Account, LoadResult } from './load.ts';

/** Reads every counter back. Unless a failed increment is uncertain, only one value is right. */
export async function auditCounters(
  client: Client,
  accounts: readonly Account[],
  concurrency: number,
): Promise<string[]> {
  const differences: string[] = [];
  await inFlight(accounts.length, concurrency, async (index) => {
    const { key, acknowledged, uncertain } = accounts[index]!;
    // Do not trust the contract's type: this is a check.
    const value: unknown = await Counter.ref(client, key).get();
    const isRight = typeof value === 'number' && value >= acknowledged && value <= acknowledged + uncertain;
    if (isRight) return;
    const expected = uncertain === 0 ? `${acknowledged}` : `${acknowledged} to ${acknowledged + uncertain}`;
    differences.push(`${key}: expected ${expected}, got ${JSON.stringify(value)}`);
  });
  return differences;
}

/** Checks that every increment ran exactly once, on the node that owns its key. */
export function auditNodes({ tallies }: LoadResult, increments: ReadonlyMap<string, number>): string[] {
  return tallies
    .filter(({ member, requests, errors }) => {
      const ran = increments.get(member.id);
      // A failed increment may have run or not.
      return ran === undefined || ran > requests || ran < requests - errors;
    })
    .map(({ member, requests }) => {
      const ran = increments.get(member.id) ?? 'no count';
      return `${member.id}: expected ${requests} increments for its keys, got ${ran}`;
    });
}
