/**
 * A list of calls with one deadline, one signal and one promise: `requestMany`. Its calls leave in slices, those of one
 * destination together, and each reports to its row.
 *
 * It reads an item when its call leaves, so that a long list is never encoded as a whole.
 */
import { captureContext } from '../base/async-context.ts';
import type { AsyncContext } from '../base/async-context.ts';
import { describe } from '../base/describe.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { attemptOf } from '../wire/call-chain.ts';
import type { Headers } from '../wire/envelope.ts';
import { isRawPayload } from '../wire/codec.ts';
import { noTracing } from '../wire/tracing.ts';
import type { NodeAddress } from '../wire/transport.ts';
import type { ClientParts } from './client-parts.ts';
import { Call } from './call.ts';
import type { CallFields } from './call.ts';
import { mergeHeaders, withCallChain } from './call-headers.ts';
import { encodeCall } from './call-payload.ts';
import { beginTrace } from './call-trace.ts';
import { Lane } from './lane.ts';
import { checkItem } from './list-options.ts';
import type { CallResult, KeyedCall, ListOptions } from './list-options.ts';
import { withCallDefaults } from './options.ts';

/** So many items take about 3 ms, which other work of the process has to wait for. */
const ITEMS_PER_TURN = 1_024;

export class CallList {
  readonly #host: ClientParts;
  readonly #items: readonly KeyedCall[];
  readonly #options: ListOptions;
  readonly #timeoutMs: number;
  readonly #untilMs: number;
  /** The headers of an item without its own: as a trace reads them, and as they are sent. */
  readonly #headers: Headers | undefined;
  readonly #sent: Headers | undefined;
  /** The handler that makes the list serves a repeated attempt itself. */
  readonly #isForRepeat: boolean;
  readonly #rows: CallResult[];
  readonly #shards: Uint32Array;
  readonly #lanes = new Map<NodeAddress | undefined, Lane>();
  /** A shard keeps its lane, so that the calls of a key stay in order. */
  readonly #laneOfShard = new Map<number, Lane>();
  /** The lanes from which calls may leave now. */
  readonly #ready = new Set<Lane>();
  /** Where the tracing and the interceptors of the client run; undefined if it has none. */
  readonly #context: AsyncContext | undefined;
  #next = 0;
  #inFlight = 0;
  #unended: number;
  /** Why no more calls leave. */
  #end: ClstrError | undefined;
  #isSending = false;
  #resolve!: (rows: CallResult[]) => void;

  /** `items` and `options` are checked. @throws RESERVED_HEADER, INVALID_ENVELOPE for wrong headers */
  constructor(host: ClientParts, items: readonly KeyedCall[], options: ListOptions) {
    const { headers, timeoutMs, tracing, interceptors } = host.options;
    this.#host = host;
    this.#items = items;
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? timeoutMs;
    this.#untilMs = host.calls.clock.monoMs() + this.#timeoutMs;
    this.#headers = options.headers === undefined ? headers : mergeHeaders(headers, options.headers);
    this.#sent = withCallChain(this.#headers, options.callChain, options.critical);
    this.#isForRepeat = options.callChain !== undefined && attemptOf(options.callChain) > 1;
    this.#rows = new Array<CallResult>(items.length);
    this.#shards = new Uint32Array(items.length);
    this.#unended = items.length;
    const isObserved = tracing !== noTracing || interceptors.length > 0;
    this.#context = isObserved ? captureContext() : undefined;
  }

  /** Resolves with a row for each item, in their order. Never rejects. */
  run(): Promise<CallResult[]> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#placeSome();
    });
  }

  /** Finds the lanes of the next items, and sends what can leave. */
  readonly #placeSome = (): void => {
    const { length } = this.#items;
    const end = Math.min(length, this.#next + ITEMS_PER_TURN);
    while (this.#next < end) this.#place(this.#next++);
    this.#send();
    if (this.#next < length) this.#host.calls.clock.macrotask(this.#placeSome);
  };

  #place(index: number): void {
    try {
      const item: unknown = this.#items[index];
      checkItem(item);
      const shard = (this.#shards[index] = this.#host.shardOf(item.key));
      const lane = this.#laneOf(shard);
      lane.add(index);
      if (lane.isReady) this.#ready.add(lane);
    } catch (error) {
      this.#fail(index, error);
    }
  }

  #laneOf(shard: number): Lane {
    let lane = this.#laneOfShard.get(shard);
    if (lane !== undefined) return lane;
    const address = this.#host.calls.routes.get(shard);
    lane = this.#lanes.get(address);
    if (lane === undefined) this.#lanes.set(address, (lane = new Lane()));
    this.#laneOfShard.set(shard, lane);
    return lane;
  }

  #send(): void {
    // A call that ends while another one is made does not make a third from here.
    if (this.#isSending || this.#ready.size === 0) return;
    this.#isSending = true;
    if (this.#context === undefined) this.#sendReady();
    else this.#context.runInAsyncScope(this.#sendReady);
    this.#isSending = false;
  }

  readonly #sendReady = (): void => {
    do {
      for (const lane of this.#ready) {
        while (lane.isReady && this.#mayGoOn) this.#begin(lane.take(), lane);
        if (!lane.isReady) this.#ready.delete(lane);
      }
    } while (this.#ready.size > 0 && this.#mayGoOn);
  };

  /** If the client has no room, the list waits for calls of its own, but not for those of others. */
  get #mayGoOn(): boolean {
    return this.#inFlight === 0 || this.#host.room() > 0;
  }

  #begin(index: number, lane: Lane): void {
    const leftMs = Math.floor(this.#untilMs - this.#host.calls.clock.monoMs());
    const end = (this.#end ??= this.#whyEnd(leftMs));
    if (end !== undefined) {
      this.#fail(index, end);
      return;
    }
    if (this.#host.room() <= 0) {
      const { maxPending } = this.#host.options;
      const message = `${maxPending} other calls of this client are pending (maxPending)`;
      this.#fail(index, new ClstrError('OVERLOADED', message));
      return;
    }
    try {
      if (this.#host.options.interceptors.length > 0) this.#beginIntercepted(index, lane, leftMs);
      else this.#beginCall(index, lane, leftMs);
    } catch (error) {
      this.#fail(index, error);
    }
  }

  /** An error for all calls that have not left: a stack for each would take most of the time that a long list takes. */
  #whyEnd(leftMs: number): ClstrError | undefined {
    const { signal } = this.#options;
    const refusal = this.#host.refusal();
    if (refusal !== undefined) return refusal;
    if (signal?.aborted === true) {
      const cause: unknown = signal.reason;
      return this.#unsent('ABORTED', `was aborted: ${textOf(cause)}`, cause);
    }
    return leftMs > 0 ? undefined : this.#unsent('TIMEOUT', `did not end within ${this.#timeoutMs} ms`);
  }

  #unsent(code: ErrorCode, why: string, cause?: unknown): ClstrError {
    const message = `the call was not sent: its list of ${this.#items.length} ${why}`;
    return new ClstrError(code, message, { outcome: 'not-executed', cause });
  }

  #beginCall(index: number, lane: Lane, leftMs: number): void {
    const { calls, options } = this.#host;
    const { key, type, payload, options: own } = this.#items[index]!;
    const { callChain, idempotent = false, signal } = this.#options;
    const { critical = this.#options.critical } = own ?? {};
    this.#host.checkType(type);
    let headers = this.#headers;
    let sent = this.#sent;
    if (own?.headers !== undefined || own?.critical !== undefined) {
      if (own.headers !== undefined) headers = mergeHeaders(headers, own.headers);
      sent = withCallChain(headers, callChain, critical);
    }
    const fields: CallFields = {
      isNotify: false,
      shard: this.#shards[index]!,
      key,
      type,
      headers: sent,
      payload: encodeCall(options.codec, type, payload),
      isRaw: isRawPayload(payload),
      timeoutMs: leftMs,
      isIdempotent: own?.idempotent ?? idempotent,
      isForRepeat: this.#isForRepeat,
      index,
    };
    const call = new Call(calls, fields, this.#onValue, this.#onError);
    lane.began(fields.payload.length);
    this.#inFlight++;
    if (calls.tracing !== noTracing) beginTrace(calls, call, headers, { ...this.#options, critical });
    this.#host.began(call, own?.idempotencyKey);
    call.start(signal);
  }

  #beginIntercepted(index: number, lane: Lane, timeoutMs: number): void {
    const { key, type, payload, options: own } = this.#items[index]!;
    const options = { ...withCallDefaults(this.#options, own), timeoutMs };
    lane.began(0);
    this.#inFlight++;
    const shard = this.#shards[index]!;
    this.#host.checked(false, key, shard, type, payload, options).then(
      (value) => this.#ended(index, 0, new Answered(value)),
      (error: unknown) =>
        this.#ended(index, 0, new Failed(asClstrError(error, 'INTERNAL', 'an interceptor failed'))),
    );
  }

  readonly #onValue = (value: unknown, { index, payload }: Call): void => {
    this.#ended(index, payload.length, new Answered(value));
  };

  readonly #onError = (error: ClstrError, { index, payload }: Call): void => {
    this.#ended(index, payload.length, new Failed(error));
  };

  /** A call that has left has ended. */
  #ended(index: number, bytes: number, row: CallResult): void {
    const lane = this.#laneOfShard.get(this.#shards[index]!)!;
    lane.ended(bytes);
    this.#inFlight--;
    this.#fill(index, row);
    if (lane.isReady) this.#ready.add(lane);
    this.#send();
  }

  #fail(index: number, error: unknown): void {
    this.#fill(index, new Failed(asClstrError(error, 'INVALID_OPTION', 'reading the call failed')));
  }

  #fill(index: number, row: CallResult): void {
    this.#rows[index] = row;
    if (--this.#unended === 0) this.#resolve(this.#rows);
  }
}

/** The getters of items, and interceptors, are user code: they may throw anything. */
function asClstrError(cause: unknown, code: ErrorCode, what: string): ClstrError {
  if (isClstrError(cause)) return cause;
  return new ClstrError(code, `${what}: ${textOf(cause)}`, { cause });
}

function textOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : describe(thrown);
}

/** Classes, because rows wait for the rest of their list: docs/decisions/0011. */
class Answered {
  readonly ok = true;
  readonly value: unknown;

  constructor(value: unknown) {
    this.value = value;
  }
}

export class Failed {
  readonly ok = false;
  readonly error: ClstrError;

  constructor(error: ClstrError) {
    this.error = error;
  }
}
