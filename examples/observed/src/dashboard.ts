/** A dashboard as text: what happened between two readings, and how things are now. */
import type { Reading } from './reading.ts';

export function dashboard(before: Reading, now: Reading): string {
  const rate = (name: string, labels?: Record<string, string>): number =>
    ((now.sum(name, labels) - before.sum(name, labels)) / (now.atMs - before.atMs)) * 1_000;
  const ms = (histogram: string, share: number): string =>
    `${(quantile(before, now, histogram, share) * 1_000).toFixed(2)} ms`;
  const count = (value: number): string => Math.round(value).toLocaleString('en');
  const each = (name: string, label: string, show: (value: string) => string): string =>
    now.values(name, label).map(show).join(', ');

  const requests = 'clstr_cluster_requests_total';
  const latency = 'clstr_cluster_request_duration_seconds';
  const waits = 'clstr_actor_mailbox_wait_seconds';
  const batches = rate('clstr_transport_batch_entries_count');
  const lines = {
    requests: `${count(rate(requests))}/s, ${count(rate(requests, { success: 'false' }))}/s failed; p50 ${ms(latency, 0.5)}, p99 ${ms(latency, 0.99)}`,
    types: each(
      requests,
      'message_type',
      (type) => `${type} ${count(rate(requests, { message_type: type }))}/s`,
    ),
    actors: `${count(now.sum('clstr_actor_active'))} in memory, ${count(now.sum('clstr_actor_mailbox_depth'))} messages wait, p99 of waits ${ms(waits, 0.99)}`,
    panics: `${count(now.sum('clstr_actor_panics_total'))} so far`,
    shards: `${each('clstr_cluster_shards_owned', 'node_id', (id) => `${count(now.sum('clstr_cluster_shards_owned', { node_id: id }))} at ${id}`)}; ${count(now.sum('clstr_cluster_shard_moves_total'))} moves so far`,
    repeats: `${count(now.sum('clstr_cluster_repeats_total'))} calls sent again so far, because their shard was moving`,
    batches: `${count(rate('clstr_transport_batch_entries_sum') / batches)} entries each`,
    'event loop': `p99 ${(now.sum('clstr_event_loop_delay_seconds', { quantile: '0.99' }) * 1_000).toFixed(2)} ms late`,
  };
  const width = Math.max(...Object.keys(lines).map((name) => name.length));
  return `${Object.entries(lines)
    .map(([name, line]) => `${name.padEnd(width)}  ${line}`)
    .join('\n')}\n`;
}

/** As Prometheus estimates it: within its bucket, the value is taken to be spread evenly. */
export function quantile(before: Reading, now: Reading, histogram: string, share: number): number {
  const bounds = now.values(`${histogram}_bucket`, 'le');
  const counts = bounds.map((le) => {
    const name = `${histogram}_bucket`;
    return now.sum(name, { le }) - before.sum(name, { le });
  });
  const rank = share * (counts.at(-1) ?? 0);
  const bucket = counts.findIndex((count) => count >= rank);
  const [low, high] = [Number(bounds[bucket - 1] ?? 0), Number(bounds[bucket])];
  if (rank === 0 || !Number.isFinite(high)) return low;
  const below = counts[bucket - 1] ?? 0;
  return low + ((high - low) * (rank - below)) / (counts[bucket]! - below);
}
