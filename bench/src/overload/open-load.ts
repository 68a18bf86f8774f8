/** Calls that arrive at random at a fixed rate, whatever becomes of those before. */
import type { Client } from '@clstr/core';
import { isClstrError } from '@clstr/core';

export interface OpenLoad {
  readonly perSecond: number;
  readonly seconds: number;
  /** What is sent before, without being measured. */
  readonly warmUpSeconds: number;
  readonly timeoutMs: number;
  /** The share of critical calls, from 0 to 1. */
  readonly critical: number;
}

export interface OpenResult {
  readonly succeededPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How many calls ended with each error. */
  readonly errors: Readonly<Record<string, number>>;
  readonly criticalCalls: number;
  readonly criticalSucceeded: number;
  /** How late the last call was sent: above a few milliseconds the load could not keep up. */
  readonly lateMs: number;
}

const KEYS = 1_000;

/** How many calls are answered in a second if a new one is made for each that ends. */
export async function measureCapacity(client: Client, inFlight: number, seconds: number): Promise<number> {
  let answered = 0;
  const endMs = performance.now() + seconds * 1_000;
  const caller = async (_: unknown, number: number): Promise<void> => {
    while (performance.now() < endMs) {
      await client.requestKey(`key-${number}`, 'Work', null);
      answered++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  return answered / seconds;
}

export async function sendOpenLoad(client: Client, load: OpenLoad): Promise<OpenResult> {
  const latencies: number[] = [];
  const errors: Record<string, number> = {};
  const critical = { calls: 0, succeeded: 0 };
  const open = new Set<Promise<void>>();
  const startMs = performance.now();
  const measureMs = startMs + load.warmUpSeconds * 1_000;
  const endMs = measureMs + load.seconds * 1_000;
  let nextMs = startMs;
  let lateMs = 0;
  let sent = 0;
  const call = async (isMeasured: boolean): Promise<void> => {
    const isCritical = Math.random() < load.critical;
    const beganMs = performance.now();
    if (isMeasured && isCritical) critical.calls++;
    try {
      await client.requestKey(`key-${sent++ % KEYS}`, 'Work', null, {
        timeoutMs: load.timeoutMs,
        critical: isCritical,
      });
      if (!isMeasured) return;
      latencies.push(performance.now() - beganMs);
      if (isCritical) critical.succeeded++;
    } catch (error) {
      if (!isMeasured) return;
      const code = isClstrError(error) ? error.code : String(error);
      errors[code] = (errors[code] ?? 0) + 1;
    }
  };
  while (nextMs < endMs) {
    for (const nowMs = performance.now(); nextMs <= nowMs && nextMs < endMs;) {
      if (nextMs >= measureMs) lateMs = Math.max(lateMs, nowMs - nextMs);
      const ended = call(nextMs >= measureMs).finally(() => open.delete(ended));
      open.add(ended);
      nextMs -= (Math.log(1 - Math.random()) * 1_000) / load.perSecond;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await Promise.all(open);
  latencies.sort((a, b) => a - b);
  const quantile = (share: number): number => latencies[Math.floor(latencies.length * share)] ?? NaN;
  return {
    succeededPerSecond: latencies.length / load.seconds,
    p50Ms: quantile(0.5),
    p99Ms: quantile(0.99),
    errors,
    lateMs,
    criticalCalls: critical.calls,
    criticalSucceeded: critical.succeeded,
  };
}
