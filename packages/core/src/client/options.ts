/** The options of a client and of its calls, checked before anything happens. */
import type { Clock } from '../base/clock.ts';
import { clockOption } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Metrics, SafeMetrics } from '../base/metrics.ts';
import { loggerOption } from '../base/observers.ts';
import { defaults } from '../base/defaults.ts';
import type { BreakerOptions } from './breaker.ts';
import { breakerOption } from './breakers.ts';
import type { Retry } from './retry-policy.ts';
import { retryOption } from './retry-policy.ts';
import type { Route } from './routes.ts';
import { MAX_DELAY_MS, MAX_SHARDS, checkInteger, checkKnownOptions, invalidOption } from '../base/options.ts';
import type { Random } from '../base/random.ts';
import { randomOption } from '../base/random.ts';
import { metricsOption, safeMetrics } from '../base/safe-metrics.ts';
import type { Resolved, Spec } from '../base/spec.ts';
import {
  callback,
  callbacks,
  integer,
  methods,
  milliseconds,
  oneOf,
  option,
  optional,
  resolve,
  text,
} from '../base/spec.ts';
import type { CallChain } from '../wire/call-chain.ts';
import type { Codec } from '../wire/codec.ts';
import { codecOption } from '../wire/codec.ts';
import type { Headers } from '../wire/envelope.ts';
import { copyHeaders, envelopeLimits } from '../wire/envelope.ts';
import { MAX_IDEMPOTENCY_KEY_BYTES, isIdempotencyKey } from '../wire/idempotency.ts';
import { tracingOption } from '../wire/tracing.ts';
import type { Tracing } from '../wire/tracing.ts';
import type { Transport } from '../wire/transport.ts';

export type Routing = 'auto' | 'static' | 'topology';

export interface ClientOptions {
  /** The client borrows it: closing the client leaves it open. */
  transport: Transport;
  /**
   * Shards of the cluster; the same at every node and client, and never changed. With `ask` the nodes say it, and calls
   * wait for their answer; Go nodes never give one. Default 1,024.
   */
  numShards?: number | 'ask' | undefined;
  /** Mixed into every hash; the same at every node and client, and never changed. Default ''. */
  seed?: string | undefined;
  /**
   * `static`: a shard without a node is an error at once. `topology`: shards move between nodes, and the client repeats a
   * call that is refused because of that within its deadline. `auto`: `static` until a node says that it has a
   * `membership`, then `topology`; the client asks when it is created, when a call is refused or times out, and when its
   * connection is back. Default `auto`.
   */
  routing?: Routing | undefined;
  /** The same at every node and client. Default: JSON. */
  codec?: Codec | undefined;
  /** The default time of a call, in milliseconds. Default 5,000. */
  timeoutMs?: number | undefined;
  /** Headers of every call; a call's own headers win. */
  headers?: Headers | undefined;
  /** Longest routing key, in bytes of UTF-8. Default 1,024. */
  maxKeyBytes?: number | undefined;
  /**
   * In a dynamic cluster: how long a refused call waits, within its time, while the nodes say that no node owns its shard,
   * in milliseconds. It then ends as `NO_OWNER`. Default 10,000.
   */
  ownerWaitMs?: number | undefined;
  /**
   * Repeats a failed call within its deadline, after `not-executed` and, if it may run twice, after an unknown outcome.
   * Repeats take at most 20 % of the client's calls and 10 a second. Without it, a client of a static cluster repeats only
   * calls that may run twice, and one that follows a dynamic cluster lets `OVERLOADED` calls wait until their deadline.
   * Calls whose shard moves follow it with and without `retry`.
   */
  retry?: Retry | undefined;
  /**
   * Stops calls to a node that does not answer, and lets a few try whether it answers again: `true`, or an object of
   * options. Only NO_SUBSCRIBER, TIMEOUT and CONNECTION_LOST count as failures. Default: none.
   */
  breaker?: true | Partial<BreakerOptions> | undefined;
  /**
   * `owner`: a call goes to the owner of its shard alone; in a dynamic cluster it waits until the owner is known. `shard`:
   * it goes to the subject of the shard, where the bus finds the owner. `hybrid`: to the owner, and to the shard's subject
   * while the owner is unknown or its breaker is open. Default `hybrid`.
   */
  route?: Route | undefined;
  /** How many calls may be pending at once; more are `OVERLOADED`. Default 65,536. */
  maxPending?: number | undefined;
  /** Run around every call; the first is outermost. */
  interceptors?: readonly ClientInterceptor[] | undefined;
  /**
   * Called for each notify that fails: before the bus has it, in which case its promise rejects too, or later, if it is
   * refused until its deadline. With it, a notify that is not awaited never ends the process.
   */
  onNotifyFailed?: ((failure: NotifyFailure) => void) | undefined;
  clock?: Clock | undefined;
  random?: Random | undefined;
  /** One or several. */
  metrics?: Metrics | readonly Metrics[] | undefined;
  /** Observes single calls, as spans. */
  tracing?: Tracing | undefined;
  logger?: Logger | undefined;
}

export interface CallOptions {
  /** Time until the call fails, in milliseconds; travels with the message as its remaining budget. */
  timeoutMs?: number | undefined;
  headers?: Headers | undefined;
  /** Ends the call as `ABORTED`, and fires the signal of a handler that already runs. */
  signal?: AbortSignal | undefined;
  /**
   * Running the call twice does no harm: the client repeats it within its deadline even if it may have run; in a dynamic
   * cluster also if its node is silent and no longer owns the shard.
   */
  idempotent?: boolean | undefined;
  /**
   * Nodes that shed load refuse other calls first. It is a claim, which nodes believe. Default: true for a call that is
   * made with the `callChain` of a critical message, as actors make theirs; otherwise false.
   */
  critical?: boolean | undefined;
  /**
   * Names this one operation, however often it is called: its node runs it once, and answers each repeat with the first
   * reply. So the client repeats it as if it were `idempotent`, and so may you, with the same type and payload. Printable
   * text of at most 255 bytes, unique in its shard.
   */
  idempotencyKey?: string | undefined;
  /** For layers that call on behalf of an actor: the actors the call came through. */
  callChain?: CallChain | undefined;
  /** For layers that call on behalf of a handler: the call is part of its work, and begins no trace of its own. */
  isNested?: boolean | undefined;
}

export interface NotifyFailure {
  readonly key: string | undefined;
  /** Undefined if the key is not usable and so has no shard. */
  readonly shard: number | undefined;
  readonly type: string;
  readonly error: ClstrError;
}

/** A call as an interceptor sees it. */
export interface ClientCall {
  readonly isNotify: boolean;
  readonly key: string | undefined;
  readonly shard: number;
  readonly type: string;
  readonly payload: unknown;
  readonly options: CallOptions;
}

/** Runs around a call; passes on the call, or a copy with another type, payload or options. */
export type ClientInterceptor = (
  call: ClientCall,
  next: (call: ClientCall) => Promise<unknown>,
) => Promise<unknown>;

export interface ResolvedClientOptions extends Omit<ClientTable, 'numShards' | 'metrics'> {
  /** Undefined if the nodes say it. */
  readonly numShards: number | undefined;
  readonly metrics: SafeMetrics;
}

type ClientTable = Resolved<
  ClientOptions,
  'headers' | 'retry' | 'onNotifyFailed',
  { metrics: readonly Metrics[]; breaker: BreakerOptions | undefined }
>;

export const clientSpec: Spec<ClientTable> = {
  transport: methods(['openLink', 'serve', 'onConnection']),
  numShards: option(checkNumShards, defaults.numShards),
  seed: text(defaults.seed),
  routing: oneOf(['auto', 'static', 'topology'], defaults.routing),
  codec: codecOption,
  timeoutMs: milliseconds(1, defaults.requestTimeoutMs),
  headers: optional(option(checkHeaders)),
  maxKeyBytes: integer(1, envelopeLimits.maxKeyBytes, defaults.maxKeyBytes),
  ownerWaitMs: milliseconds(0, defaults.ownerWaitMs),
  retry: optional(retryOption),
  breaker: optional(breakerOption),
  route: oneOf(['owner', 'shard', 'hybrid'], defaults.route),
  maxPending: integer(1, Number.MAX_SAFE_INTEGER, defaults.maxPending),
  interceptors: callbacks(),
  onNotifyFailed: optional(callback()),
  clock: clockOption,
  random: randomOption,
  metrics: metricsOption,
  tracing: tracingOption,
  logger: loggerOption,
};

/** @throws INVALID_OPTION */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  const options = resolve('createClient', clientSpec, given, checkAsking);
  const { numShards, metrics, logger, clock } = options;
  return Object.freeze({
    ...options,
    numShards: numShards === 'ask' ? undefined : numShards,
    metrics: safeMetrics(metrics, logger, clock),
  });
}

function checkNumShards(owner: string, name: string, value: unknown): number | 'ask' {
  return value === 'ask' ? value : checkInteger(owner, name, value, 1, MAX_SHARDS);
}

/** The question for the number of shards is the one that finds out how they are routed. */
function checkAsking({ numShards, routing }: ClientOptions): void {
  if (numShards !== 'ask' || routing === undefined || routing === 'auto') return;
  throw invalidOption('createClient', 'routing', routing, "auto or left out with numShards: 'ask'");
}

/**
 * The default options of calls to one key or shard.
 *
 * @throws INVALID_OPTION, RESERVED_HEADER, INVALID_ENVELOPE
 */
export function checkCallDefaults(given: CallOptions): CallOptions {
  checkCallOptions(given);
  const { timeoutMs, headers } = given;
  refuseIdempotencyKey(given, 'given with each call, not as a default');
  if (timeoutMs !== undefined) checkInteger('call', 'timeoutMs', timeoutMs, 1, MAX_DELAY_MS);
  return Object.freeze({ ...given, headers: copyHeaders(headers) });
}

/** Merges options: a call's own win, header by header, and are checked when the call is made. */
export function withCallDefaults(base: CallOptions, own: CallOptions | undefined): CallOptions {
  if (own === undefined) return base;
  const options: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(own)) if (value !== undefined) options[name] = value;
  const { headers } = own as { headers?: unknown };
  if (base.headers !== undefined && typeof headers === 'object' && !Array.isArray(headers)) {
    options['headers'] = { ...base.headers, ...headers };
  }
  return options;
}

/** Where one key would stand for many calls, or no node would know it. @throws INVALID_OPTION */
export function refuseIdempotencyKey({ idempotencyKey }: CallOptions, expected: string): void {
  if (idempotencyKey !== undefined) throw invalidOption('call', 'idempotencyKey', idempotencyKey, expected);
}

/** Checks each call by hand in 20 ns, where a table of options takes 730 ns. @throws INVALID_OPTION */
export function checkCallOptions(options: CallOptions): void {
  checkKnownOptions('call', options, CALL_OPTIONS);
  const { signal, idempotent, idempotencyKey, critical, isNested } = options as Readonly<
    Record<keyof CallOptions, unknown>
  >;
  if (idempotent !== undefined && typeof idempotent !== 'boolean') {
    throw invalidOption('call', 'idempotent', idempotent, 'true or false');
  }
  if (critical !== undefined && typeof critical !== 'boolean') {
    throw invalidOption('call', 'critical', critical, 'true or false');
  }
  if (idempotencyKey !== undefined && !isIdempotencyKey(idempotencyKey)) {
    const expected = `printable text of 1 to ${MAX_IDEMPOTENCY_KEY_BYTES} bytes`;
    throw invalidOption('call', 'idempotencyKey', idempotencyKey, expected);
  }
  if (isNested !== undefined && typeof isNested !== 'boolean') {
    throw invalidOption('call', 'isNested', isNested, 'true or false');
  }
  if (signal === undefined) return;
  const { aborted, addEventListener, removeEventListener } = (signal ?? {}) as Partial<AbortSignal>;
  const isSignal =
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function';
  if (!isSignal) throw invalidOption('call', 'signal', signal, 'an AbortSignal');
}

const CALL_OPTIONS = [
  'timeoutMs',
  'headers',
  'signal',
  'idempotent',
  'idempotencyKey',
  'critical',
  'callChain',
  'isNested',
] as const satisfies readonly (keyof CallOptions)[];

function checkHeaders(owner: string, name: string, headers: unknown): Headers | undefined {
  if (typeof headers === 'object' && headers !== null) return copyHeaders(headers);
  throw invalidOption(owner, name, headers, 'an object of strings');
}
