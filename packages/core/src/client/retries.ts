/** Decides whether a failed call is repeated: by the policy, within its deadline, at the expense of its client's budget. */
import { detached } from '../base/async-context.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import type { ClstrError } from '../base/errors.ts';
import type { RetryDenial, SafeMetrics } from '../base/metrics.ts';
import type { Logger } from '../base/logger.ts';
import { createRareLog } from '../base/rare-log.ts';
import type { RareLog } from '../base/rare-log.ts';
import type { CallTrace } from './call-trace.ts';
import type { ResolvedClientOptions } from './options.ts';
import { RetryBudget } from './retry-budget.ts';
import { retryPolicy } from './retry-policy.ts';
import type { RetryPolicy } from './retry-policy.ts';

/** A call whose last attempt failed. */
export interface FailedCall {
  readonly type: string;
  readonly key: string | undefined;
  readonly deadlineMs: number;
  /** How many attempts have left. */
  readonly attempts: number;
  /** It is made for an attempt that is a repeat itself: the caller that repeated that one repeats the whole. */
  readonly isForRepeat: boolean;
  /** The span that observes it. */
  readonly trace: Pick<CallTrace, 'retryDenied'> | undefined;
}

export interface RetriesOptions {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  readonly metrics: SafeMetrics;
  readonly logger: Logger;
}

/** Undefined if calls are not retried. */
export function retriesOf(client: ResolvedClientOptions): Retries | undefined {
  const { retry, random, clock, metrics, logger } = client;
  return retry && new Retries({ policy: retryPolicy(retry, random), clock, metrics, logger });
}

export class Retries {
  readonly #options: RetriesOptions;
  readonly #budget = new RetryBudget();
  readonly #rareLog: RareLog;

  constructor(options: RetriesOptions) {
    this.#options = options;
    this.#rareLog = createRareLog(options.logger, options.clock);
  }

  /** How many repeats may be decided now. */
  get left(): number {
    return this.#budget.left(this.#options.clock.monoMs());
  }

  /** Hot path. */
  onCall(nowMs: number): void {
    this.#budget.onCall(nowMs);
  }

  /** The pause before the call is repeated, which is then charged; undefined if it ends with `error`. */
  pauseMs(call: FailedCall, error: ClstrError): number | undefined {
    const { clock, metrics } = this.#options;
    const nowMs = clock.monoMs();
    const remainingMs = call.deadlineMs - nowMs;
    const pauseMs = call.isForRepeat ? undefined : this.#ask(call, remainingMs, error);
    let denial: RetryDenial;
    if (call.isForRepeat) denial = 'nested';
    else if (pauseMs === undefined) denial = 'policy';
    else if (pauseMs >= remainingMs) denial = 'deadline';
    else if (this.#budget.take(nowMs)) return pauseMs;
    else {
      denial = 'budget';
      this.#logSpent(error);
    }
    metrics.retryDenied(denial);
    call.trace?.retryDenied(denial, error.code);
    return undefined;
  }

  #ask({ type, key, attempts }: FailedCall, remainingMs: number, error: ClstrError): number | undefined {
    const { policy } = this.#options;
    const failed = { type, key, attempt: attempts, remainingMs, error };
    let pauseMs: unknown;
    try {
      pauseMs = detached(() => policy.pauseMs(failed));
    } catch (err) {
      this.#logFailed('pauseMs() threw', err);
      return undefined;
    }
    if (pauseMs === undefined || (typeof pauseMs === 'number' && pauseMs >= 0)) return pauseMs;
    this.#logFailed(
      `pauseMs() returned ${describe(pauseMs)}; return milliseconds, or undefined to give the call up`,
    );
    return undefined;
  }

  #logFailed(reason: string, err?: unknown): void {
    const fields = { event: 'client.retry_policy_failed', err };
    this.#rareLog.error('failed', fields, `the retry policy failed: ${reason}`);
  }

  #logSpent({ code }: ClstrError): void {
    this.#rareLog.warn(
      'spent',
      { event: 'client.retry_budget_spent', code },
      'failed calls are not repeated any more: repeats have reached 20 % of the calls and 10 a second',
    );
  }
}
