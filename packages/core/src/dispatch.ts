/**
 * What a node does with an entry, whatever the transport: admission, time budget, handler, reply.
 *
 * Stages: known attempt? → draining? → owned? → well-formed? → in time? → room? → decode → handler → encode → reply.
 * Everything refused before `handler` is `not-executed`; nothing after it is.
 */
import { CALL_CHAIN_HEADER, decodeCallChain } from './call-chain.ts';
import type { CallChain } from './call-chain.ts';
import type { Clock } from './clock.ts';
import type { Codec } from './codec.ts';
import { decodePayload, encodePayload, isRawPayload } from './codec.ts';
import { NO_HEADERS, RESERVED_TYPE_PREFIX, checkType, copyHeaders } from './envelope.ts';
import { ClstrError, asRefusal, dispositionOf, isClstrError } from './errors.ts';
import type { Handler, HandlerContext, HandlerRequest, ShardTenure } from './handler.ts';
import { AttemptWindow } from './internal/attempt-window.ts';
import { Deadline, DeadlineWheel } from './internal/deadline-wheel.ts';
import type { Logger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { noMetrics } from './metrics.ts';
import { describe } from './options.ts';
import type { Random } from './random.ts';
import { randomId } from './random.ts';
import type { ShardGate } from './shard-gate.ts';
import type { KeyRouter } from './shard.ts';
import type { EntryReceiver, InboundEntry, ReplyPort } from './transport.ts';

export interface DispatchOptions {
  readonly nodeId: string;
  readonly gate: ShardGate;
  readonly router: KeyRouter;
  /** The user's handler with all interceptors around it. */
  readonly handler: Handler;
  readonly codec: Codec;
  readonly handlerTimeoutMs: number;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

const NO_CHAIN: CallChain = Object.freeze([]);
const MAX_KNOWN_TYPES = 1_024;
const NODE_INFO_TYPE = 'clstr.node.info';
/** Answered by any node, whatever shard it comes for. */
export const TOPOLOGY_TYPE = 'clstr.topology';

type Admission = 'all' | 'nested' | 'none';

export class Dispatch implements EntryReceiver {
  readonly options: DispatchOptions;
  readonly deadlines: DeadlineWheel<Run>;
  readonly #window = new AttemptWindow();
  /** Running handlers by session and attempt, for cancel; JSON entries, which have neither, are not in it. */
  readonly #running = new Map<number, Map<number, Run>>();
  readonly #knownTypes = new Set<string>();
  #inFlight = 0;
  #inFlightBytes = 0;
  #admission: Admission = 'all';
  #onIdle: (() => void) | undefined;
  /** Told of each run that ends, while shards are being vacated. */
  readonly #runEndListeners = new Set<(run: Run) => void>();
  /**
   * For the shards' subjects: who has lost a shard, or may have, says nothing there, because its owner answers too.
   */
  readonly onShardSubjects: EntryReceiver = {
    onEntry: (entry, port) => {
      if (this.options.gate.holds(entry.shard, undefined)) this.onEntry(entry, port);
    },
    onCancel: (session, attempt) => {
      this.onCancel(session, attempt);
    },
  };

  constructor(options: DispatchOptions) {
    this.options = options;
    this.deadlines = new DeadlineWheel(options.clock);
  }

  /** Messages accepted and not yet answered. */
  get inFlight(): number {
    return this.#inFlight;
  }

  onEntry(entry: InboundEntry, port: ReplyPort): void {
    if (entry.type === TOPOLOGY_TYPE) {
      const { codec, gate } = this.options;
      port.reply(entry, encodePayload(codec, gate.topology()), false);
      return;
    }
    const nowMs = this.options.clock.monoMs();
    let request: HandlerRequest;
    try {
      if (!this.#admit(entry, nowMs)) return;
      request = this.#toRequest(entry);
    } catch (error) {
      this.#refuse(entry, port, error as ClstrError);
      return;
    }
    const run = new Run(this, entry, port, nowMs);
    this.#inFlight++;
    this.#inFlightBytes += run.bytes;
    const { metrics, nodeId, handler } = this.options;
    if (metrics !== noMetrics) metrics.handlersActive(nodeId, this.#inFlight);
    try {
      const result = entry.type === NODE_INFO_TYPE ? this.#nodeInfo() : handler(request, run);
      if (isThenable(result)) this.#await(result, run);
      else run.succeed(result);
    } catch (error) {
      run.fail(error);
    }
  }

  onCancel(session: number, attempt: number): void {
    this.#running.get(session)?.get(attempt)?.cancel();
  }

  /**
   * Refuses from now on all but nested calls: a message that was accepted can only be answered when the calls it
   * makes are, and some of them may be for this very node.
   */
  stopAdmitting(): void {
    this.#admission = 'nested';
  }

  /** Resolves when everything accepted is answered. Call once, after {@link stopAdmitting}. */
  async whenIdle(): Promise<void> {
    if (this.#inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Answers what still runs with an error, and fires its signal. */
  abortRunning(error: ClstrError): void {
    this.#admission = 'none';
    for (const item of this.deadlines.items()) item.abort(error);
  }

  /** Answers what runs with an error, and fires its signal; admission goes on. */
  abortRuns(error: ClstrError, shard?: number): void {
    for (const run of this.deadlines.items()) {
      if (shard === undefined || run.entry.shard === shard) run.abort(error);
    }
  }

  /** Resolves when nothing of the shard runs any more; the caller has ended its admission. */
  async whenVacant(shard: number): Promise<void> {
    const left = new Set<Run>();
    for (const run of this.deadlines.items()) if (run.entry.shard === shard) left.add(run);
    if (left.size === 0) return;
    await new Promise<void>((resolve) => {
      const onEnd = (run: Run): void => {
        if (!left.delete(run) || left.size > 0) return;
        this.#runEndListeners.delete(onEnd);
        resolve();
      };
      this.#runEndListeners.add(onEnd);
    });
  }

  /** A run ended: called once for each. */
  onRunEnd(run: Run, isSuccess: boolean): void {
    this.#inFlight--;
    this.#inFlightBytes -= run.bytes;
    const { session, attempt, type } = run.entry;
    if (run.isAsync) {
      this.deadlines.remove(run);
      const attempts = this.#running.get(session);
      if (attempts?.get(attempt) === run) {
        attempts.delete(attempt);
        if (attempts.size === 0) this.#running.delete(session);
      }
    }
    const { metrics, clock, nodeId } = this.options;
    if (metrics !== noMetrics) {
      metrics.handlersActive(nodeId, this.#inFlight);
      metrics.handlerEnded(type, isSuccess, clock.monoMs() - run.startedMs);
    }
    if (this.#runEndListeners.size > 0) for (const onEnd of this.#runEndListeners) onEnd(run);
    if (this.#inFlight === 0) this.#onIdle?.();
  }

  /**
   * False for a copy of an attempt that arrived before: the first one was answered, if only with a refusal, so any
   * answer to this one could be wrong.
   */
  #admit(entry: InboundEntry, nowMs: number): boolean {
    if (entry.session !== 0 && !this.#window.admit(entry.session, entry.attempt)) return false;
    const { nodeId, gate, maxInFlight, maxInFlightBytes } = this.options;
    if (this.#admission !== 'all' && !(this.#admission === 'nested' && isNested(entry))) {
      throw new ClstrError('DRAINING', `node ${nodeId} is shutting down`);
    }
    if (!gate.admits(entry.shard, nowMs)) throw gate.refusal(entry.shard);
    if (entry.ttlMs !== undefined && nowMs - entry.receivedAtMs >= entry.ttlMs) {
      const message = `the budget of ${entry.ttlMs} ms for ${describe(entry.type)} ran out before node ${nodeId} could start`;
      throw new ClstrError('ENVELOPE_EXPIRED', message);
    }
    if (this.#inFlight >= maxInFlight || this.#inFlightBytes + entry.payload.length > maxInFlightBytes) {
      const message = `node ${nodeId} has ${this.#inFlight} messages (${this.#inFlightBytes} bytes) in work`;
      throw new ClstrError('OVERLOADED', message);
    }
    return true;
  }

  #toRequest(entry: InboundEntry): HandlerRequest {
    const { type, key, shard, isNotify } = entry;
    if (!this.#knownTypes.has(type)) this.#learnType(type);
    if (key !== undefined) this.#checkHome(key, shard);
    const payload = this.#decode(entry);
    if (entry.headers === undefined) {
      return { key, shard, type, payload, headers: NO_HEADERS, isNotify, callChain: NO_CHAIN };
    }
    const { [CALL_CHAIN_HEADER]: chain, ...own } = entry.headers;
    const headers = copyHeaders(own) ?? NO_HEADERS;
    const callChain = chain === undefined ? NO_CHAIN : decodeCallChain(chain);
    return { key, shard, type, payload, headers, isNotify, callChain };
  }

  /** A client with another shard count or seed would give a key a second home. */
  #checkHome(key: string, shard: number): void {
    const home = this.options.router.shardOf(key);
    if (home === shard) return;
    const message =
      `key ${describe(key)} belongs to shard ${home} here, but the client sent it to shard ${shard}: ` +
      'numShards and seed must be the same at every client and node';
    throw new ClstrError('CLUSTER_CONFIG_MISMATCH', message, { details: { here: home, sent: shard } });
  }

  #decode(entry: InboundEntry): unknown {
    const { codec } = this.options;
    try {
      return decodePayload(codec, entry.payload, entry.isRaw);
    } catch (cause) {
      const message = `the payload of ${describe(entry.type)} is no ${codec.name}`;
      throw new ClstrError('INVALID_ENVELOPE', message, { cause });
    }
  }

  #learnType(type: string): void {
    checkType(type);
    if (type.startsWith(RESERVED_TYPE_PREFIX) && type !== NODE_INFO_TYPE) {
      throw new ClstrError('UNKNOWN_TYPE', `this node knows no message type ${describe(type)}`);
    }
    if (this.#knownTypes.size < MAX_KNOWN_TYPES) this.#knownTypes.add(type);
  }

  #refuse(entry: InboundEntry, port: ReplyPort, error: ClstrError): void {
    if (error.code === 'ENVELOPE_EXPIRED') this.options.metrics.transportError('ttl_expired');
    port.fail(entry, error);
  }

  #nodeInfo(): { node_id: string; shards: number[] } {
    return { node_id: this.options.nodeId, shards: [...this.options.gate.shards()] };
  }

  #await(result: PromiseLike<unknown>, run: Run): void {
    run.isAsync = true;
    this.deadlines.add(run);
    const { session, attempt } = run.entry;
    if (session !== 0) {
      let attempts = this.#running.get(session);
      if (attempts === undefined) this.#running.set(session, (attempts = new Map<number, Run>()));
      attempts.set(attempt, run);
    }
    result.then(
      (value) => {
        run.succeed(value);
      },
      (error: unknown) => {
        run.fail(error);
      },
    );
  }
}

/** One handler call. Hot path: the same object is the handler's context and the item in the deadline wheel. */
class Run extends Deadline implements HandlerContext {
  readonly #dispatch: Dispatch;
  readonly entry: InboundEntry;
  readonly #port: ReplyPort;
  readonly bytes: number;
  readonly startedMs: number;
  readonly epoch: number | undefined;
  isAsync = false;
  onAbort: ((reason: ClstrError) => void) | undefined = undefined;
  #isDone = false;
  /** Made when the handler first asks: an AbortController costs more than the rest of a call. */
  #controller: AbortController | undefined;
  #abortReason: ClstrError | undefined;

  constructor(dispatch: Dispatch, entry: InboundEntry, port: ReplyPort, startedMs: number) {
    super();
    const { gate, handlerTimeoutMs } = dispatch.options;
    this.#dispatch = dispatch;
    this.entry = entry;
    this.#port = port;
    this.bytes = entry.payload.length;
    this.startedMs = startedMs;
    this.epoch = gate.epochOf(entry.shard);
    const limitMs = startedMs + handlerTimeoutMs;
    this.deadlineMs =
      entry.ttlMs === undefined ? limitMs : Math.min(limitMs, entry.receivedAtMs + entry.ttlMs);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#abortReason !== undefined) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get tenure(): ShardTenure | undefined {
    return this.epoch === undefined ? undefined : new Tenure(this.#dispatch, this.entry.shard, this.epoch);
  }

  get nodeId(): string {
    return this.#dispatch.options.nodeId;
  }

  get log(): Logger {
    return this.#dispatch.options.logger;
  }

  remainingMs(): number {
    return Math.max(0, this.deadlineMs - this.#dispatch.options.clock.monoMs());
  }

  refuse(error: ClstrError): void {
    this.fail(asRefusal(error));
  }

  succeed(value: unknown): void {
    if (this.#isDone) return;
    if (!this.#mayAnswer()) {
      this.abort(fenced(this.nodeId, this.entry.shard));
      return;
    }
    if (this.entry.isNotify) {
      this.#end(true);
      return;
    }
    let bytes: string | Uint8Array;
    try {
      bytes = encodePayload(this.#dispatch.options.codec, value);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#port.reply(this.entry, bytes, isRawPayload(value));
    this.#end(true);
  }

  fail(thrown: unknown): void {
    if (this.#isDone) return;
    const error = this.#toAnswer(thrown);
    if (error.outcome !== 'not-executed' && !this.#mayAnswer()) {
      this.abort(fenced(this.nodeId, this.entry.shard));
      return;
    }
    // The sender of a notify hears only of what did not run, so that it may send it again.
    if (!this.entry.isNotify || error.outcome === 'not-executed') this.#port.fail(this.entry, error);
    else if (error.code !== 'INTERNAL') this.#logUnheard(error);
    this.#end(false);
  }

  onDeadline(): void {
    const { type, shard } = this.entry;
    const ranMs = Math.round(this.#dispatch.options.clock.monoMs() - this.startedMs);
    const message = `the handler of ${describe(type)} on node ${this.nodeId} (shard ${shard}) did not end within ${ranMs} ms`;
    this.abort(new ClstrError('HANDLER_TIMEOUT', message));
  }

  /** The caller gave up: nobody waits for an answer. */
  cancel(): void {
    if (this.#isDone) return;
    const reason = new ClstrError('ABORTED', 'the caller gave up');
    this.#abortReason = reason;
    this.onAbort?.(reason);
    this.#end(false);
    this.#controller?.abort(reason);
  }

  abort(error: ClstrError): void {
    if (this.#isDone) return;
    this.#abortReason = error;
    // A layer that only kept the message waiting answers it here, better than with `error`.
    this.onAbort?.(error);
    this.#answerAborted(error);
    // Last: who listens may close the node, which aborts everything that has not ended.
    this.#controller?.abort(error);
  }

  /** The lease is tested before each reply: another node may have gone on from an older state. */
  #mayAnswer(): boolean {
    return this.#dispatch.options.gate.holds(this.entry.shard, this.epoch);
  }

  #answerAborted(error: ClstrError): void {
    if (this.#isDone) return;
    if (!this.entry.isNotify) this.#port.fail(this.entry, error);
    else this.#logUnheard(error);
    this.#end(false);
  }

  /** For a notify, whose sender does not hear how the handler ended; INTERNAL has been logged with its cause. */
  #logUnheard({ code, message }: ClstrError): void {
    const { type, shard, key } = this.entry;
    this.log.warn({ type, shard, key, code, nodeId: this.nodeId }, message);
  }

  #end(isSuccess: boolean): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#dispatch.onRunEnd(this, isSuccess);
  }

  /** The rule that makes repeats safe: once user code has started, nothing leaves as `not-executed`. */
  #toAnswer(thrown: unknown): ClstrError {
    if (isClstrError(thrown)) {
      const disposition = dispositionOf(thrown);
      if (disposition === 'refusal') return thrown;
      if (disposition === 'for-caller' || thrown.code === 'ACTOR_ERROR') return asExecuted(thrown);
      return new ClstrError('HANDLER_ERROR', `the handler failed: ${thrown.message}`, {
        details: { code: thrown.code, message: thrown.message },
      });
    }
    const { random, logger, nodeId } = this.#dispatch.options;
    const { type, shard, key } = this.entry;
    const id = randomId(random, 10);
    logger.error({ err: thrown, id, type, shard, key, nodeId }, `the handler of ${describe(type)} threw`);
    return new ClstrError('INTERNAL', `the handler failed; node ${nodeId} logged the error as ${id}`, {
      outcome: 'executed',
      details: { id, nodeId },
    });
  }
}

class Tenure implements ShardTenure {
  readonly #dispatch: Dispatch;
  readonly #shard: number;
  readonly epoch: number;

  constructor(dispatch: Dispatch, shard: number, epoch: number) {
    this.#dispatch = dispatch;
    this.#shard = shard;
    this.epoch = epoch;
  }

  get isHeld(): boolean {
    return this.#dispatch.options.gate.holds(this.#shard, this.epoch);
  }

  get fencingToken(): number {
    if (this.isHeld) return this.epoch;
    throw fenced(this.#dispatch.options.nodeId, this.#shard);
  }
}

function fenced(nodeId: string, shard: number): ClstrError {
  return new ClstrError('FENCED', `shard ${shard} may have another owner than node ${nodeId} by now`);
}

/** `unknown` stays: a handler may say that it cannot tell. */
function asExecuted(error: ClstrError): ClstrError {
  if (error.outcome !== 'not-executed' && !error.retryable) return error;
  const { code, message, details } = error;
  const outcome = error.outcome === 'not-executed' ? 'executed' : error.outcome;
  return new ClstrError(code, message, { outcome, retryable: false, details });
}

function isNested({ headers }: InboundEntry): boolean {
  return headers?.[CALL_CHAIN_HEADER] !== undefined;
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
