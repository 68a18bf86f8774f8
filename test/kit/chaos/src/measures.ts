/** The figures of a run, which are printed and compared with their bounds. */
import type { ErrorCode } from '@clstr/core';
import type { EndedCall } from './recorder.ts';

/** The percentile by nearest rank; NaN if there are no values. */
export function percentile(values: readonly number[], percent: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? NaN;
}

/** `n 12, p50 3, p99 40, max 41 ms` */
export function describeTimes(values: readonly number[]): string {
  const [p50, p99, max] = [50, 99, 100].map((percent) => percentile(values, percent).toFixed(0));
  return `n ${values.length}, p50 ${p50}, p99 ${p99}, max ${max} ms`;
}

/** How often each error occurred. */
export function countErrors(calls: readonly EndedCall[]): Map<ErrorCode, number> {
  const counts = new Map<ErrorCode, number>();
  for (const { code } of calls) if (code !== undefined) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}

/** `12 of 3000 failed: 10 × TIMEOUT, 2 × FENCED` */
export function describeErrors(calls: readonly EndedCall[]): string {
  const counts = [...countErrors(calls)];
  const failed = counts.reduce((sum, [, count]) => sum + count, 0);
  const list = counts.map(([code, count]) => `${count} × ${code}`).join(', ');
  return `${failed} of ${calls.length} calls failed${list === '' ? '' : `: ${list}`}`;
}

/** The longest time without any reply, among calls that were made all the time between two instants. */
export function longestGap(calls: readonly EndedCall[], fromMs: number, toMs: number): number {
  const times = calls
    .filter(({ code, endedAt }) => code === undefined && endedAt > fromMs && endedAt < toMs)
    .map(({ endedAt }) => endedAt)
    .sort((a, b) => a - b);
  const ends = [...times, toMs];
  return Math.max(...ends.map((at, index) => at - (times[index - 1] ?? fromMs)));
}

/** The longest such gap of any single key. */
export function longestGapOfAKey(calls: readonly EndedCall[], fromMs: number, toMs: number): number {
  const keys = new Map<string, EndedCall[]>();
  for (const call of calls) {
    const known = keys.get(call.key);
    if (known === undefined) keys.set(call.key, [call]);
    else known.push(call);
  }
  return Math.max(0, ...[...keys.values()].map((ofKey) => longestGap(ofKey, fromMs, toMs)));
}

const BUCKET_MS = 250;

/**
 * The time until calls work again, after `sinceMs`: the start of the first quarter of a second from which on, in each
 * quarter up to `untilMs`, at least `share` of the calls succeed. Infinity if they never do.
 */
export function recoveryMs(
  calls: readonly EndedCall[],
  sinceMs: number,
  untilMs: number,
  share: number,
): number {
  const buckets = Array.from({ length: Math.floor((untilMs - sinceMs) / BUCKET_MS) }, () => ({
    all: 0,
    ok: 0,
  }));
  for (const { invokedAt, code } of calls) {
    const bucket = buckets[Math.floor((invokedAt - sinceMs) / BUCKET_MS)];
    if (bucket === undefined) continue;
    bucket.all++;
    if (code === undefined) bucket.ok++;
  }
  let first = buckets.length;
  while (first > 0 && isWorking(buckets[first - 1]!, share)) first--;
  return first === buckets.length ? Infinity : first * BUCKET_MS;
}

function isWorking({ all, ok }: { all: number; ok: number }, share: number): boolean {
  return all > 0 && ok / all >= share;
}
