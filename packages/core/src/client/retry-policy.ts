/** When a failed call is repeated, and after which pause: the option `retry` of a client. */
import type { ClstrError } from '../base/errors.ts';
import { invalidOption } from '../base/options.ts';
import type { Random } from '../base/random.ts';
import type { Option, Resolved, Spec } from '../base/spec.ts';
import { integer, milliseconds, oneOf, option, resolve } from '../base/spec.ts';

/** Exponential pauses: before repeat `n` it is at most `initialMs` × 2ⁿ⁻¹, and never more than `maxMs`. */
export interface RetryOptions {
  /** Attempts of one call, the first included, and those that a move of its shard took. Default 3. */
  maxAttempts?: number | undefined;
  /** The longest pause before the first repeat, in milliseconds; after `OVERLOADED` it is 1,000. Default 50. */
  initialMs?: number | undefined;
  /** The longest pause, in milliseconds. Default 2,000. */
  maxMs?: number | undefined;
  /** `full`: a random part of the pause, so that clients which failed together do not come back together. Default `full`. */
  jitter?: 'full' | 'none' | undefined;
}

/** An attempt that failed, of a call that may be repeated. */
export interface FailedAttempt {
  readonly type: string;
  readonly key: string | undefined;
  /** Which attempt it was, from 1. */
  readonly attempt: number;
  /** What is left of the call's time, in milliseconds. */
  readonly remainingMs: number;
  readonly error: ClstrError;
}

/** A policy of your own. The budget of the client holds for it too, and no repeat begins after the deadline. */
export interface RetryPolicy {
  /** The pause before the call is repeated, in milliseconds; undefined to give it up. */
  pauseMs(failed: FailedAttempt): number | undefined;
}

/** `standard` is {@link RetryOptions} with its defaults; `aggressive` makes up to 6 attempts, with pauses from 25 ms. */
export type Retry = 'standard' | 'aggressive' | RetryOptions | RetryPolicy;

type ResolvedRetryOptions = Resolved<RetryOptions>;

/** How long the longest first pause is when a node is overloaded and does not say when it will have room. */
const OVERLOADED_MS = 1_000;
const MAX_ATTEMPTS = 100;

const retrySpec: Spec<ResolvedRetryOptions> = {
  maxAttempts: integer(1, MAX_ATTEMPTS, 3),
  initialMs: milliseconds(1, 50),
  maxMs: milliseconds(1, 2_000),
  jitter: oneOf(['full', 'none'], 'full'),
};

const AGGRESSIVE: RetryOptions = { maxAttempts: 6, initialMs: 25, maxMs: 1_000 };

export const retryOption: Option<Retry> = option(checkRetry);

function checkRetry(owner: string, name: string, value: unknown): Retry {
  if (value === 'standard' || value === 'aggressive') return value;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidOption(owner, name, value, "'standard', 'aggressive', an object of options or a policy");
  }
  const { pauseMs } = value as { pauseMs?: unknown };
  if (typeof pauseMs === 'function') return value;
  if (pauseMs !== undefined) throw invalidOption(owner, `${name}.pauseMs`, pauseMs, 'a function');
  resolve(`${owner} ${name}`, retrySpec, value);
  return value;
}

/** The policy that the checked option stands for. */
export function retryPolicy(retry: Retry, random: Random): RetryPolicy {
  if (typeof retry === 'object' && 'pauseMs' in retry) return retry;
  const given = retry === 'standard' ? {} : retry === 'aggressive' ? AGGRESSIVE : retry;
  return new ExponentialPauses(resolve('retry', retrySpec, given), random);
}

class ExponentialPauses implements RetryPolicy {
  readonly #options: ResolvedRetryOptions;
  readonly #random: Random;

  constructor(options: ResolvedRetryOptions, random: Random) {
    this.#options = options;
    this.#random = random;
  }

  pauseMs({ attempt, error }: FailedAttempt): number | undefined {
    const { maxAttempts, initialMs, maxMs } = this.#options;
    if (attempt >= maxAttempts) return undefined;
    const saidMs = error.details?.['retryAfterMs'];
    if (typeof saidMs === 'number' && !Number.isNaN(saidMs)) {
      return saidMs < 0 ? undefined : saidMs + this.#jittered(initialMs);
    }
    const firstMs = error.code === 'OVERLOADED' ? OVERLOADED_MS : initialMs;
    return this.#jittered(Math.min(Math.max(maxMs, firstMs), firstMs * 2 ** (attempt - 1)));
  }

  #jittered(ms: number): number {
    return this.#options.jitter === 'none' ? ms : (ms * (1 + this.#random.bytes(1)[0]!)) / 256;
  }
}
