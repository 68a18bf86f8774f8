/** What a client and its calls are given, checked before anything happens. */
import type { CallChain } from '../wire/call-chain.ts';
import type { Clock } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import type { Codec } from '../wire/codec.ts';
import { jsonCodec } from '../wire/codec.ts';
import type { Headers } from '../wire/envelope.ts';
import { copyHeaders, envelopeLimits } from '../wire/envelope.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { Metrics } from '../base/metrics.ts';
import { checkObservers } from '../base/observers.ts';
import type { Observers } from '../base/observers.ts';
import {
  MAX_DELAY_MS,
  MAX_SHARDS,
  checkFunctions,
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkOptionalFunction,
  checkString,
  defaults,
  invalidOption,
} from '../base/options.ts';
import type { Random } from '../base/random.ts';
import { systemRandom } from '../base/random.ts';
import type { Transport } from '../wire/transport.ts';

export type Routing = 'auto' | 'static' | 'topology';

export interface ClientOptions {
  /** Borrowed: closing the client leaves it open. */
  transport: Transport;
  /** Shards of the cluster; the same at every node and client, for ever. Default 1024. */
  numShards?: number | undefined;
  /** Mixed into every hash; the same at every node and client, for ever. Default ''. */
  seed?: string | undefined;
  /**
   * `static`: a shard without a node is an error at once. `topology`: shards move between nodes, and a call that was
   * refused because of that is repeated within its deadline. `auto`: `static` until a node says that it has a
   * `membership`, `topology` from then on; the client asks when it is created, when a call is refused or times out, and
   * when its connection is back. Default `auto`.
   */
  routing?: Routing | undefined;
  /** Default JSON; the same at every node and client. */
  codec?: Codec | undefined;
  /** Time a call may take unless it says otherwise, in milliseconds. Default 5000. */
  timeoutMs?: number | undefined;
  /** Sent with every call; a call's own headers win. */
  headers?: Headers | undefined;
  /** Longest routing key, in bytes of UTF-8. Default 1024. */
  maxKeyBytes?: number | undefined;
  /** Calls that may wait for their end at once; more are `OVERLOADED`. Default 65,536. */
  maxPending?: number | undefined;
  /** Run around every call; the first is outermost. */
  interceptors?: readonly ClientInterceptor[] | undefined;
  /**
   * Called for each notify that fails: before it was handed over to the bus, when its promise rejects too, or later, when
   * it was refused until its deadline. With it, a notify that nobody awaits never ends the process.
   */
  onNotifyFailed?: ((failure: NotifyFailure) => void) | undefined;
  clock?: Clock | undefined;
  random?: Random | undefined;
  metrics?: Metrics | undefined;
  logger?: Logger | undefined;
}

export interface CallOptions {
  /** Time until the call fails, in milliseconds; travels with the message as its remaining budget. */
  timeoutMs?: number | undefined;
  headers?: Headers | undefined;
  /** Ends the call as `ABORTED`, and fires the signal of a handler that already runs. */
  signal?: AbortSignal | undefined;
  /**
   * Running it twice does no harm: the call is also repeated when it may have run, within its deadline. In a dynamic
   * cluster also when its node says nothing, and no longer owns the shard.
   */
  idempotent?: boolean | undefined;
  /** For layers that call on behalf of an actor: the actors the call came through. */
  callChain?: CallChain | undefined;
}

export interface NotifyFailure {
  readonly key: string | undefined;
  /** Undefined when the key has none, as it is not a usable key. */
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

/** Runs around a call; passes on what it was given, or a copy with another type, payload or options. */
export type ClientInterceptor = (
  call: ClientCall,
  next: (call: ClientCall) => Promise<unknown>,
) => Promise<unknown>;

/** Checked and complete. */
export interface ResolvedClientOptions extends Observers {
  readonly transport: Transport;
  readonly numShards: number;
  readonly seed: string;
  readonly routing: Routing;
  readonly codec: Codec;
  readonly timeoutMs: number;
  readonly headers: Headers | undefined;
  readonly maxKeyBytes: number;
  readonly maxPending: number;
  readonly interceptors: readonly ClientInterceptor[];
  readonly onNotifyFailed: ((failure: NotifyFailure) => void) | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

const KNOWN_OPTIONS = [
  'transport',
  'numShards',
  'seed',
  'routing',
  'codec',
  'timeoutMs',
  'headers',
  'maxKeyBytes',
  'maxPending',
  'interceptors',
  'onNotifyFailed',
  'clock',
  'random',
  'metrics',
  'logger',
] as const satisfies readonly (keyof ClientOptions)[];

/** @throws INVALID_OPTION */
export function resolveClientOptions(given: ClientOptions): ResolvedClientOptions {
  const owner = 'createClient';
  checkKnownOptions(owner, given, KNOWN_OPTIONS);
  const integer = (name: keyof ClientOptions, fallback: number, min: number, max: number): number =>
    checkInteger(owner, name, given[name] ?? fallback, min, max);
  return Object.freeze({
    transport: checkMethods(owner, 'transport', given.transport, ['openLink', 'serve', 'onConnection']),
    numShards: integer('numShards', defaults.numShards, 1, MAX_SHARDS),
    seed: checkString(owner, 'seed', given.seed ?? defaults.seed),
    routing: checkRouting(given.routing ?? defaults.routing),
    codec: checkMethods(owner, 'codec', given.codec ?? jsonCodec, ['encode', 'decode']),
    timeoutMs: integer('timeoutMs', defaults.requestTimeoutMs, 1, MAX_DELAY_MS),
    headers: checkHeaders(given.headers),
    maxKeyBytes: integer('maxKeyBytes', defaults.maxKeyBytes, 1, envelopeLimits.maxKeyBytes),
    maxPending: integer('maxPending', defaults.maxPending, 1, Number.MAX_SAFE_INTEGER),
    interceptors: [...checkFunctions(owner, 'interceptors', given.interceptors ?? [])],
    onNotifyFailed: checkOptionalFunction(owner, 'onNotifyFailed', given.onNotifyFailed),
    clock: checkMethods(owner, 'clock', given.clock ?? systemClock, [
      'monoMs',
      'wallMs',
      'timer',
      'macrotask',
    ]),
    random: checkMethods(owner, 'random', given.random ?? systemRandom, ['bytes']),
    ...checkObservers(owner, given),
  });
}

/**
 * The options of calls to one key or shard, where a call says nothing else.
 *
 * @throws INVALID_OPTION, RESERVED_HEADER, INVALID_ENVELOPE
 */
export function checkCallDefaults(given: CallOptions): CallOptions {
  checkCallOptions(given);
  const { timeoutMs, headers } = given;
  if (timeoutMs !== undefined) checkInteger('call', 'timeoutMs', timeoutMs, 1, MAX_DELAY_MS);
  return Object.freeze({ ...given, headers: copyHeaders(headers) });
}

/** A call's own options win, header by header; they are checked when the call is made. */
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

/** @throws INVALID_OPTION */
export function checkCallOptions(options: CallOptions): void {
  checkKnownOptions('call', options, CALL_OPTIONS);
  const { signal, idempotent } = options as { signal?: unknown; idempotent?: unknown };
  if (idempotent !== undefined && typeof idempotent !== 'boolean') {
    throw invalidOption('call', 'idempotent', idempotent, 'true or false');
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
  'callChain',
] as const satisfies readonly (keyof CallOptions)[];

function checkRouting(routing: unknown): Routing {
  if (routing === 'auto' || routing === 'static' || routing === 'topology') return routing;
  throw invalidOption('createClient', 'routing', routing, "'auto', 'static' or 'topology'");
}

function checkHeaders(headers: unknown): Headers | undefined {
  if (headers !== undefined && (typeof headers !== 'object' || headers === null)) {
    throw invalidOption('createClient', 'headers', headers, 'an object of strings');
  }
  return copyHeaders(headers);
}
