/**
 * A model of a busy node: one event loop that reads what has arrived, works it off and reads again, with the real dispatch
 * and handlers that compute for a fixed time. Calls arrive at random, whatever becomes of those before.
 */
import { noMetrics } from '../../src/base/metrics.ts';
import { systemRandom } from '../../src/base/random.ts';
import { Dispatch } from '../../src/node/dispatch.ts';
import { idempotencyOption } from '../../src/node/idempotency-options.ts';
import type { DispatchOptions } from '../../src/node/dispatch.ts';
import { staticShards } from '../../src/node/static-shards.ts';
import { createKeyRouter } from '../../src/placement/shard.ts';
import { identityOf } from '../../src/wire/cluster-identity.ts';
import { jsonCodec } from '../../src/wire/codec.ts';
import { CRITICAL_HEADER } from '../../src/wire/framework-headers.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import { recordLog } from '@clstr/testing/internal';
import { entryOf } from '../entry.ts';
import { TurningClock } from './turning-clock.ts';

export interface Load {
  /** Arrivals, as a multiple of what the handlers can do. */
  readonly times: number;
  /** The share of critical calls. */
  readonly critical?: number;
  readonly shedding: DispatchOptions['shedding'];
}

export interface LoadResult {
  /** Calls answered in time, as a share of the most that the handlers can do. */
  readonly goodput: number;
  /** From arrival to answer of the calls whose handlers ran, in milliseconds. */
  readonly p99Ms: number;
  /** Handlers that started with less time left than they take. */
  readonly lateStarts: number;
  /** The most calls that had arrived and were not answered. */
  readonly mostOpen: number;
  /** The share of critical calls that were answered in time. */
  readonly criticalSuccess: number;
  readonly refusals: ReadonlyMap<string, number>;
}

const SERVICE_MS = 2;
/** To read a message, refuse it and answer that. */
const REFUSAL_MS = 0.01;
const DEADLINE_MS = 200;
const DURATION_MS = 20_000;
/** What the run before the measurement takes, in which averages and ages settle. */
const WARM_UP_MS = 2_000;
/** The most entries of one read: a socket hands over 64 KiB at a time. */
const READ = 640;

interface Arrival {
  readonly atMs: number;
  readonly isCritical: boolean;
}

export function runLoad({ times, critical = 0, shedding }: Load): LoadResult {
  const clock = new TurningClock(0);
  const handlers = { started: 0, late: 0 };
  const dispatch = new Dispatch({
    idempotency: idempotencyOption.fallback!(),
    nodeId: 'n1',
    identity: identityOf({ numShards: 1, seed: '', codec: jsonCodec }, undefined),
    shards: staticShards('n1', new Set([0]), systemRandom),
    router: createKeyRouter(1, '', () => undefined),
    handler: (_request, context) => {
      handlers.started++;
      if (context.remainingMs() < SERVICE_MS) handlers.late++;
      clock.advance(SERVICE_MS);
      return 1;
    },
    codec: jsonCodec,
    handlerTimeoutMs: 30_000,
    maxInFlight: 16_384,
    maxInFlightBytes: 1e9,
    clock,
    random: systemRandom,
    metrics: noMetrics,
    tracing: noTracing,
    cluster: undefined,
    logger: recordLog(),
    shedding,
  });
  const refusals = new Map<string, number>();
  const latencies: number[] = [];
  const ended = { inTime: 0, critical: 0, criticalInTime: 0 };
  let mostOpen = 0;
  const port = {
    reply: () => undefined,
    fail: (_entry: unknown, { code }: { code: string }) =>
      void refusals.set(code, (refusals.get(code) ?? 0) + 1),
  };
  const chance = randomNumbers();
  const arrivals: Arrival[] = [];
  let nextMs = 0;
  const arrive = (): void => {
    for (; nextMs <= clock.nowMs; nextMs -= (Math.log(chance()) * SERVICE_MS) / times) {
      arrivals.push({ atMs: nextMs, isCritical: chance() < critical });
    }
  };
  let read = 0;
  while (clock.nowMs < WARM_UP_MS + DURATION_MS) {
    arrive();
    const readMs = clock.nowMs;
    const end = Math.min(arrivals.length, read + READ);
    if (end === read && !clock.isWatched) clock.advance(Math.max(0, nextMs - clock.nowMs));
    for (; read < end; read++) {
      const { atMs, isCritical } = arrivals[read]!;
      const headers = isCritical ? { [CRITICAL_HEADER]: '1' } : undefined;
      const { started } = handlers;
      // The budget on the wire counts from the read: the wait in the socket is not in it.
      dispatch.onEntry(entryOf({ shard: 0, headers, ttlMs: DEADLINE_MS, receivedAtMs: readMs }), port);
      const hasRun = handlers.started > started;
      if (!hasRun) clock.advance(REFUSAL_MS);
      arrive();
      mostOpen = Math.max(mostOpen, arrivals.length - read);
      if (atMs < WARM_UP_MS) continue;
      const tookMs = clock.nowMs - atMs;
      const isInTime = hasRun && tookMs <= DEADLINE_MS;
      if (hasRun) latencies.push(tookMs);
      if (isInTime) ended.inTime++;
      if (isCritical) ended.critical++;
      if (isCritical && isInTime) ended.criticalInTime++;
    }
    clock.turn();
  }
  latencies.sort((a, b) => a - b);
  return {
    goodput: (ended.inTime * SERVICE_MS) / DURATION_MS,
    p99Ms: latencies[Math.floor(latencies.length * 0.99)]!,
    criticalSuccess: ended.criticalInTime / ended.critical,
    lateStarts: handlers.late,
    mostOpen,
    refusals,
  };
}

/** Numbers in (0, 1), the same in each run: those of Lehmer, with the factor of Park and Miller. */
function randomNumbers(): () => number {
  let state = 20_261_201;
  return () => (state = (state * 48_271) % 0x7fff_ffff) / 0x7fff_ffff;
}
