/** A dispatch whose handlers end when a test says so, for messages with idempotency keys. */
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { Dispatch } from '../../src/node/dispatch.ts';
import type { HandlerContext } from '../../src/node/handler.ts';
import { idempotencySpec } from '../../src/node/idempotency-options.ts';
import type { IdempotencyOptions } from '../../src/node/idempotency-options.ts';
import { staticShards } from '../../src/node/static-shards.ts';
import { resolve } from '../../src/base/spec.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createKeyRouter } from '../../src/placement/shard.ts';
import { identityOf } from '../../src/wire/cluster-identity.ts';
import { jsonCodec } from '../../src/wire/codec.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import type { InboundEntry, OutboundEntry, ReplySink } from '../../src/wire/transport.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { ManualClock } from '../manual-clock.ts';
import { recordMetrics } from '../recorded-metrics.ts';

const NUM_SHARDS = 16;
/** Long after the node has started, so that it knows all keys of any attempt that a test makes. */
export const STARTED_MS = 1_000_000;
export const KEY = 'x-clstr-idempotency-key';
export const MAY_HAVE_RUN = 'x-clstr-may-have-run';

export class KeyedDispatch {
  readonly clock: ManualClock;
  readonly metrics = recordMetrics();
  readonly port = recordAnswers();
  /** One for each handler that has begun. */
  readonly gates: Deferred<unknown>[] = [];
  readonly contexts: HandlerContext[] = [];
  /** Its questions to former owners. */
  readonly asked: (OutboundEntry & ReplySink)[] = [];
  /** The lease is valid. */
  isHeld = true;
  readonly dispatch: Dispatch;

  /** With the clock of another node it starts now. */
  constructor(
    idempotency: IdempotencyOptions = {},
    clock?: ManualClock,
    keepsReplies: (type: string) => boolean = () => false,
  ) {
    this.clock = clock ?? new ManualClock(0);
    const shards = { ...staticShards('n1', new Set([1, 3]), systemRandom), holds: () => this.isHeld };
    this.dispatch = new Dispatch({
      nodeId: 'n1',
      identity: identityOf({ numShards: NUM_SHARDS, seed: '', codec: jsonCodec }, undefined),
      shards,
      router: createKeyRouter(NUM_SHARDS, '', () => undefined),
      handler: (_request, context) => {
        const gate = deferred<unknown>();
        this.gates.push(gate);
        this.contexts.push(context);
        return gate.promise;
      },
      keepsReplies,
      codec: jsonCodec,
      handlerTimeoutMs: 60_000,
      idempotency: resolve('test', idempotencySpec, idempotency),
      maxInFlight: 1_000,
      maxInFlightBytes: 1_000_000,
      clock: this.clock,
      shedding: false,
      asker: {
        send: (_to, make) => {
          this.asked.push(make(this.asked.length + 1));
          return this.asked.length;
        },
        forget: () => undefined,
      },
      random: systemRandom,
      metrics: this.metrics,
      tracing: noTracing,
      cluster: undefined,
      logger: recordLog(),
    });
    if (clock === undefined) this.clock.advance(STARTED_MS);
  }

  /** A message arrives; `mayHaveRunMs` is how long ago the first attempt left that may have run. Returns its attempt. */
  send(key: string, fields: Partial<InboundEntry> = {}, mayHaveRunMs?: number): number {
    const ttlMs = 5_000;
    const headers: Record<string, string> = { [KEY]: key };
    if (mayHaveRunMs !== undefined) headers[MAY_HAVE_RUN] = String(ttlMs + mayHaveRunMs);
    const entry = entryOf({ headers, ttlMs, receivedAtMs: this.clock.nowMs, ...fields });
    this.dispatch.onEntry(entry, this.port);
    return entry.attempt;
  }

  async end(run: number, value: unknown): Promise<void> {
    this.gates[run]!.resolve(value);
    await settle();
  }

  async fail(run: number, error: Error): Promise<void> {
    this.gates[run]!.reject(error);
    await settle();
  }

  /** The code or the value of the answer to an attempt; undefined if it has none. */
  answerTo(attempt: number): unknown {
    const found = this.port.answers.filter((answer) => answer.attempt === attempt);
    if (found.length > 1) throw new Error(`attempt ${attempt} was answered ${found.length} times`);
    const [answer] = found;
    return answer?.error === undefined ? answer?.value : `${answer.error.code} ${answer.error.outcome}`;
  }

  /** What was reported of repeats. */
  get repeats(): unknown[] {
    return this.metrics.calls.filter(([name]) => name === 'keyedRepeat').map(([, answer]) => answer);
  }
}

/** Lets everything that waits for a settled promise run. */
async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}
