/** Metrics that keep what they are told. */
import type { WatchedClient, WatchedNode } from '../src/base/watched.ts';
import { noMetrics } from '../src/base/metrics.ts';
import type { SafeMetrics } from '../src/base/metrics.ts';

export interface RecordedMetrics extends SafeMetrics {
  /** Each event as `[method, ...arguments]`. */
  readonly calls: unknown[][];
  /** What they may read, in the order given. */
  readonly nodes: WatchedNode[];
  readonly clients: WatchedClient[];
}

export function recordMetrics(): RecordedMetrics {
  const calls: unknown[][] = [];
  const nodes: WatchedNode[] = [];
  const clients: WatchedClient[] = [];
  const keep = (name: string) => [name, (...args: unknown[]) => void calls.push([name, ...args])] as const;
  const events = Object.keys(noMetrics).filter((name) => !name.startsWith('watch'));
  return {
    ...noMetrics,
    ...(Object.fromEntries(events.map(keep)) as Partial<SafeMetrics>),
    watchClient: (client) => clients.push(client),
    watchNode: (node) => nodes.push(node),
    calls,
    nodes,
    clients,
  };
}
