/** Sends increments to a cluster, and records the expected value of every counter and the replies of every node. */
import type { RecordableHistogram } from 'node:perf_hooks';
import { createHistogram } from 'node:perf_hooks';
import type { ErrorCode } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import type { Cluster, Member } from './cluster.ts';
import { Counter } from './contract.ts';
import type { Increment } from './contract.ts';
import { inFlight } from './in-flight.ts';

export interface Load {
  requests: number;
  keys: number;
  /** Requests in flight at any time. */
  concurrency: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly tallies: readonly NodeTally[];
  readonly accounts: readonly Account[];
  /** How often each error occurred. */
  readonly errors: ReadonlyMap<ErrorCode, number>;
  /** True if so many requests failed that the rest was not sent. */
  readonly isGivenUp: boolean;
}

/** The client's figures for one node: a request counts for the node that owns the shard of its key. */
export interface NodeTally {
  readonly member: Member;
  requests: number;
  errors: number;
  /** The latency in nanoseconds, from before the request is sent until its reply or error arrives. */
  readonly latency: RecordableHistogram;
}

/** The expected value of one counter. */
export interface Account {
  readonly key: string;
  /** The sum of all acknowledged increments. */
  acknowledged: number;
  /** The sum of failed increments that may have run: the counter may include any part of it. */
  uncertain: number;
}

export interface LoadHooks {
  /** Ends the load early. */
  signal: AbortSignal;
  /** Called with the number of requests that have ended. */
  onProgress(done: number): void;
}

const MAX_ERRORS = 500;
const NS_PER_MS = 1e6;

/** @throws the reason of `signal` when it was aborted. */
export async function driveLoad(cluster: Cluster, load: Load, hooks: LoadHooks): Promise<LoadResult> {
  const { client, members } = cluster;
  const { signal, onProgress } = hooks;
  const accounts = createAccounts(load.keys);
  const tallies = members.map(createTally);
  const tallyOfShard = new Map(
    tallies.flatMap((tally) => tally.member.shards.map((shard) => [shard, tally])),
  );
  const tallyOfAccount = accounts.map(({ key }) => tallyOfShard.get(client.shardOf(key))!);
  const errors = new Map<ErrorCode, number>();
  let done = 0;
  let failed = 0;

  const startMs = performance.now();
  await inFlight(load.requests, load.concurrency, async () => {
    if (signal.aborted || failed >= MAX_ERRORS) return;
    // Pick keys at random, so that one key also gets several requests at once, with different amounts.
    const index = randomBelow(load.keys);
    const account = accounts[index]!;
    const tally = tallyOfAccount[index]!;
    const increment: Increment = { amount: 1 + randomBelow(9) };
    const sentMs = performance.now();
    try {
      await Counter.ref(client, account.key).increment(increment);
      account.acknowledged += increment.amount;
    } catch (error) {
      if (!isClstrError(error)) throw error;
      if (error.outcome !== 'not-executed') account.uncertain += increment.amount;
      errors.set(error.code, (errors.get(error.code) ?? 0) + 1);
      tally.errors++;
      failed++;
    }
    tally.requests++;
    tally.latency.record(Math.max(1, Math.round((performance.now() - sentMs) * NS_PER_MS)));
    onProgress(++done);
  });
  signal.throwIfAborted();
  const seconds = (performance.now() - startMs) / 1000;
  return { seconds, tallies, accounts, errors, isGivenUp: done < load.requests };
}

function createAccounts(count: number): Account[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `counter-${index}`,
    acknowledged: 0,
    uncertain: 0,
  }));
}

function createTally(member: Member): NodeTally {
  return { member, requests: 0, errors: 0, latency: createHistogram() };
}

function randomBelow(limit: number): number {
  return Math.floor(Math.random() * limit);
}
