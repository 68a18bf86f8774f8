/** The table that the demo prints at the end, and the differences if there are any. */
import { createHistogram } from 'node:perf_hooks';
import Table from 'cli-table3';
import type { LoadResult, NodeTally } from './load.ts';

const HEAD = ['node', 'shards', 'requests', 'requests/s', 'p50 ms', 'p99 ms', 'errors'];

export function formatTable({ tallies, seconds }: LoadResult): string {
  const table = new Table({
    head: HEAD,
    colAligns: HEAD.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  for (const tally of tallies) table.push(row(tally.member.id, tally.member.shards.length, tally, seconds));
  const latency = createHistogram();
  const total = { requests: 0, errors: 0, latency };
  let shards = 0;
  for (const tally of tallies) {
    shards += tally.member.shards.length;
    total.requests += tally.requests;
    total.errors += tally.errors;
    latency.add(tally.latency);
  }
  table.push(row('total', shards, total, seconds));
  return table.toString();
}

function row(
  name: string,
  shards: number,
  { requests, errors, latency }: Pick<NodeTally, 'requests' | 'errors' | 'latency'>,
  seconds: number,
): string[] {
  const percentile = (percent: number): string =>
    requests === 0 ? '-' : (latency.percentile(percent) / 1e6).toFixed(3);
  return [
    name,
    whole(shards),
    whole(requests),
    whole(requests / seconds),
    percentile(50),
    percentile(99),
    whole(errors),
  ];
}

const MAX_LISTED = 20;

export function formatDifferences(differences: readonly string[]): string {
  const lines = differences.slice(0, MAX_LISTED).map((difference) => `  ${difference}`);
  const left = differences.length - lines.length;
  if (left > 0) lines.push(`  and ${whole(left)} more`);
  return lines.join('\n');
}

export function formatErrors({ errors, isGivenUp }: LoadResult): string {
  const counts = [...errors].map(([code, count]) => `${whole(count)} × ${code}`).join(', ');
  return isGivenUp ? `gave up, too many requests failed: ${counts}` : `requests failed: ${counts}`;
}

/** 12345.6 → 12,346 */
export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
