/** The node under load: its handlers compute or wait for a fixed time, and count what they were given too late. */
import { createNode } from '@clstr/core';
import type { Handler, Node, SheddingOptions, Transport } from '@clstr/core';

/** How a handler spends its time. */
export interface Work {
  readonly kind: 'computes' | 'waits';
  readonly serviceMs: number;
  /** With `waits`. */
  readonly maxRunning?: number;
  readonly shedding: SheddingOptions | false;
}

export interface Served {
  /** Handlers that started. */
  readonly started: number;
  /** Those of them with less time left than they take. */
  readonly late: number;
  /** The most memory of the process so far, in bytes. */
  readonly maxRss: number;
}

export const NUM_SHARDS = 64;

export async function serve(transport: Transport, work: Work): Promise<[Node, () => Served]> {
  const { kind, serviceMs, maxRunning, shedding } = work;
  const counts = { started: 0, late: 0 };
  const handler: Handler = (_request, context) => {
    counts.started++;
    if (context.remainingMs() < serviceMs) counts.late++;
    if (kind === 'waits') return new Promise((resolve) => setTimeout(resolve, serviceMs));
    const untilMs = performance.now() + serviceMs;
    while (performance.now() < untilMs);
    return null;
  };
  const shards = Array.from({ length: NUM_SHARDS }, (_, shard) => shard);
  const node = createNode({ transport, numShards: NUM_SHARDS, shards, handler, shedding, maxRunning });
  await node.start();
  const served = (): Served => ({ ...counts, maxRss: process.resourceUsage().maxRSS * 1_024 });
  return [node, served];
}
