/**
 * What a node does with an entry, whatever the transport: admission, time budget, handler, reply.
 *
 * Stages: known attempt? → draining? → owned? → well-formed? → in time? → room? → decode → handler → encode → reply.
 * Everything refused before `handler` is `not-executed`; nothing after it is.
 */
import { CALL_CHAIN_HEADER, Ticket, decodeCallChain, heldBy } from '../wire/call-chain.ts';
import type { CallChain } from '../wire/call-chain.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import { describe } from '../base/describe.ts';
import type { Headers } from '../wire/envelope.ts';
import {
  NODE_INFO_TYPE,
  NO_HEADERS,
  PROBE_TYPE,
  REPLIES_TYPE,
  RESERVED_TYPE_PREFIX,
  TOPOLOGY_TYPE,
  checkType,
  copyHeaders,
} from '../wire/envelope.ts';
import { ATTEMPT_HEADER, FRAMEWORK_HEADERS, attemptIn, isCritical } from '../wire/framework-headers.ts';
import { IDEMPOTENCY_KEY_HEADER } from '../wire/idempotency.ts';
import { ClstrError, Refusal } from '../base/errors.ts';
import type { Failure } from '../base/errors.ts';
import { FloodLog } from '../base/flood-log.ts';
import { Admission } from './admission.ts';
import type { AdmissionOptions } from './admission.ts';
import type { HandlerCallHost, HandlerCallOptions } from './handler-call.ts';
import { HandlerCall } from './handler-call.ts';
import { traceHandler } from './handler-trace.ts';
import type { Handler } from './handler.ts';
import { Idempotency } from './idempotency.ts';
import type { IdempotencySettings } from './idempotency.ts';
import { InboundRequest, payloadIn } from './inbound-request.ts';
import { noTracing } from '../wire/tracing.ts';
import type { Tracing } from '../wire/tracing.ts';
import { detached } from '../base/async-context.ts';
import { AttemptWindow } from './attempt-window.ts';
import { DeadlineWheel } from '../base/deadline-wheel.ts';
import { OverdueTurns } from '../base/overdue-turns.ts';
import { ByShard } from '../base/by-shard.ts';
import { Slices } from '../base/slices.ts';
import { isThenable } from '../base/thenable.ts';
import type { SafeMetrics } from '../base/metrics.ts';
import { noMetrics } from '../base/metrics.ts';
import { LimitedHandler } from './limited-handler.ts';
import { Shedder } from './shedder.ts';
import type { SheddingOptions } from './shedding-options.ts';
import { countRefusal } from './refusal-metrics.ts';
import type { Resolved } from '../base/spec.ts';
import { Questions, isQuestion, questionIn } from './questions.ts';
import { ReplyRecord } from './reply-record.ts';
import { onCommonSubject, onShardSubjects } from './receivers.ts';
import { RunningCalls } from './running-calls.ts';
import { NOWHERE, heldBytes } from '../wire/transport.ts';
import type { ClusterLocation, EntryReceiver, InboundEntry, ReplyPort } from '../wire/transport.ts';
import { TypeLabels } from '../base/type-labels.ts';

export interface DispatchOptions extends HandlerCallOptions, AdmissionOptions, IdempotencySettings {
  /** The identity with which clients compare their own. */
  readonly identity: ClusterIdentity;
  /** The user's handler with all interceptors around it. */
  readonly handler: Handler;
  readonly metrics: SafeMetrics;
  readonly tracing: Tracing;
  readonly cluster: ClusterLocation | undefined;
  readonly shedding: Resolved<SheddingOptions> | false;
  /** Undefined for any number. */
  readonly maxRunning?: number | undefined;
  /** The types that the user's handler declares. */
  readonly types?: readonly string[] | undefined;
}

const MAX_KNOWN_TYPES = 1_024;

export class Dispatch implements EntryReceiver, HandlerCallHost {
  readonly options: DispatchOptions;
  /** How many messages have arrived, without those that the node answers by itself. */
  inbound = 0;
  /** The run of this node that answers probes. */
  inc = '';
  readonly deadlines: DeadlineWheel<HandlerCall>;
  readonly overdue: OverdueTurns;
  readonly floodLog: FloodLog;
  readonly idempotency: Idempotency;
  readonly #window = new AttemptWindow();
  readonly #running = new RunningCalls();
  readonly #knownTypes = new Set<string>();
  readonly #labels: TypeLabels;
  /**
   * With metrics: when the last handler ended, and in which frame, by its time of arrival. If it is followed by the next
   * entry of its frame, that one begins at the same time: each clock reading costs a percent of a message.
   */
  #endedMs = 0;
  #endedIn = NaN;
  readonly #questions: Questions;
  readonly #shedder: Shedder | undefined;
  readonly #limited: LimitedHandler | undefined;
  readonly #handler: Handler;
  readonly #admission: Admission;
  readonly #ticket: Ticket;
  /** The chain of each message that came from outside. */
  readonly #noChain: CallChain;
  #onIdle: (() => void) | undefined;
  /** The calls that run asynchronously. */
  readonly #byShard = new ByShard<HandlerCall>();
  /** Called when no call of the shard runs any more. */
  readonly #onVacant = new Map<number, () => void>();
  readonly #slices: Slices;
  readonly onShardSubjects: EntryReceiver = onShardSubjects(this);
  readonly onCommonSubject: EntryReceiver = onCommonSubject(this);

  constructor(options: DispatchOptions) {
    this.options = options;
    this.deadlines = new DeadlineWheel(options.clock);
    this.#slices = new Slices(options.clock);
    this.#labels = new TypeLabels(options.types);
    this.floodLog = new FloodLog(options.logger, options.clock);
    this.#questions = new Questions(options);
    this.#ticket = new Ticket(options.random);
    const { shedding, handler, maxRunning, clock } = options;
    this.#shedder = shedding === false ? undefined : new Shedder({ ...options, shedding }, this.#ticket);
    if (maxRunning !== undefined) {
      this.#limited = new LimitedHandler(handler, maxRunning, clock, this.#shedder);
    }
    this.#handler = this.#limited?.handle ?? handler;
    this.#admission = new Admission(options, this.#ticket, this.#shedder);
    this.#noChain = Object.freeze(heldBy(this.#ticket));
    this.overdue = new OverdueTurns(options.clock, options.logger);
    this.idempotency = new Idempotency(options, {
      began: (bytes) => this.#admission.began(bytes),
      ended: (bytes) => this.#ended(bytes),
      again: (entry, port) => this.#onMessage(entry, port, options.clock.monoMs()),
    });
  }

  /** How many messages are accepted and not yet answered. */
  get inFlight(): number {
    return this.#admission.inFlight;
  }

  /** How many of them wait until a layer, such as actors, runs them: counted when it is asked for. */
  get waiting(): number {
    return this.deadlines.items().filter(({ onAbort }) => onAbort !== undefined).length;
  }

  get isShedding(): boolean {
    return this.#shedder?.isShedding ?? false;
  }

  onEntry(entry: InboundEntry, port: ReplyPort): void {
    const { type } = entry;
    if (isQuestion(type)) {
      this.#onQuestion(entry, port);
      return;
    }
    this.inbound++;
    const nowMs = entry.receivedAtMs === this.#endedIn ? this.#endedMs : this.options.clock.monoMs();
    this.#endedIn = NaN;
    if (entry.clientId !== 0 && !this.#window.admit(entry.clientId, entry.attempt, port.inbox, nowMs)) return;
    this.#onMessage(entry, port, nowMs);
  }

  #onMessage(entry: InboundEntry, port: ReplyPort, nowMs: number): void {
    let request: InboundRequest;
    let record: ReplyRecord | undefined;
    try {
      const refusal = this.#admission.refusal(entry, nowMs);
      if (refusal !== undefined) {
        this.#refuse(entry, port, refusal);
        return;
      }
      request = this.#toRequest(entry);
      if (entry.headers?.[IDEMPOTENCY_KEY_HEADER] !== undefined) {
        const admitted = this.idempotency.admit(entry, port, nowMs);
        if (admitted instanceof Refusal) this.#refuse(entry, port, admitted);
        if (admitted instanceof ReplyRecord) record = admitted;
        else if (admitted !== 'by-handler') return;
      }
    } catch (error) {
      this.#refuse(entry, port, error as ClstrError);
      return;
    }
    const call = new HandlerCall(this, entry, port, nowMs);
    if (this.#shedder !== undefined) call.expectedMs = this.#shedder.expectedMs;
    if (record !== undefined) call.record = record;
    this.#admission.began(call.bytes);
    if (this.options.tracing !== noTracing) this.#beginTrace(request, call);
    try {
      const result = detached(this.#handler, request, call);
      if (isThenable(result)) this.#await(result, call);
      else call.succeed(result);
    } catch (error) {
      call.fail(error);
    }
  }

  #beginTrace(request: InboundRequest, call: HandlerCall): void {
    const { tracing, nodeId, cluster } = this.options;
    const { type, key, shard, isNotify, headers } = request;
    const isDeclared = this.#labels.isDeclared(type);
    const message = { type, isDeclared, key, shard, isNotify, headers, nodeId, epoch: call.epoch, cluster };
    call.trace = traceHandler(tracing, this.floodLog, message);
    if (call.trace !== undefined) request.headers = call.trace.headers;
  }

  /** Admits a question like a message; makes no answer if it is refused, repeated, or has no reply subject. */
  #onQuestion(entry: InboundEntry, port: ReplyPort): void {
    const { type, attempt, shard } = entry;
    if (entry.isNotify || port === NOWHERE) return;
    if (type === REPLIES_TYPE) {
      this.#onRepliesAsked(entry, port);
      return;
    }
    if (type === PROBE_TYPE && entry.key !== this.inc) return;
    if (type === TOPOLOGY_TYPE && this.#questions.isRepeated(entry, port)) return;
    const { clock, shards, maxInFlightBytes } = this.options;
    const nowMs = clock.monoMs();
    // The client id of probes is not secret: a sender that used up its numbers would make the node believe it is cut off.
    const clientId = type === PROBE_TYPE ? 0 : entry.clientId;
    if (clientId !== 0 && !this.#window.admit(clientId, attempt, port.inbox, nowMs)) return;
    let answer: string | Refusal | undefined = this.#admission.closed(entry);
    if (type === NODE_INFO_TYPE && !shards.admits(shard, nowMs)) answer ??= shards.refusal(shard);
    answer ??= this.#admission.full(entry, nowMs, type === PROBE_TYPE ? 0 : heldBytes(entry));
    answer ??= type === PROBE_TYPE ? 'null' : this.#questions.answer(entry, nowMs, this.inc);
    // An answer larger than all room has it to itself.
    if (typeof answer === 'string') {
      answer = this.#admission.full(entry, nowMs, Math.min(answer.length, maxInFlightBytes)) ?? answer;
    }
    if (typeof answer === 'string') port.reply(entry, answer, false);
    else this.#refuse(entry, port, answer);
  }

  /** The next owner of a shard asks, also while this node drains. Only a node of the cluster knows what to ask for. */
  #onRepliesAsked(entry: InboundEntry, port: ReplyPort): void {
    const answer = this.idempotency.handedOver.answer(questionIn(entry));
    if (answer !== undefined) port.reply(entry, answer, false);
    else
      this.#refuse(
        entry,
        port,
        new Refusal('NOT_OWNER', `node ${this.options.nodeId} keeps no such replies`),
      );
  }

  /** A handler whose reply others wait for goes on. */
  onCancel(clientId: number, attempt: number): void {
    const call = this.#running.get(clientId, attempt);
    if (call?.record?.isAwaited !== true) call?.cancel();
  }

  /**
   * Refuses from now on all calls but those that come from handlers of this node: an accepted message can only be answered
   * when the calls it makes are, and some of them may be for this very node.
   */
  stopAdmitting(): void {
    this.#admission.admitted = 'nested';
  }

  /** Resolves when all accepted messages are answered. Call it once, after {@link stopAdmitting}. */
  async whenIdle(): Promise<void> {
    if (this.inFlight === 0) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
  }

  /** Answers all calls that still run with an error, and fires their signals. Resolves when that is done. */
  async abortRunning(error: ClstrError): Promise<void> {
    this.#admission.admitted = 'none';
    this.overdue.close();
    await this.abortCalls(error);
    this.idempotency.close();
  }

  /** Answers running calls with an error, and fires their signals; admission goes on. Resolves when that is done. */
  async abortCalls(error: ClstrError, shard?: number): Promise<void> {
    const calls = shard === undefined ? this.deadlines.items() : this.#byShard.of(shard);
    await this.#slices.each(calls, (call) => call.abort(error));
  }

  /** Refuses the messages of the shard that wait for others to end. */
  refuseWaiting(shard: number, refusal: ClstrError): void {
    this.#limited?.refuse(shard, refusal);
  }

  /** Resolves when no call of the shard runs any more; the caller has ended its admission. */
  async whenVacant(shard: number): Promise<void> {
    if (this.#byShard.isEmpty(shard)) return;
    const before = this.#onVacant.get(shard);
    await new Promise<void>((resolve) => {
      this.#onVacant.set(shard, () => {
        before?.();
        resolve();
      });
    });
  }

  #lookVacant(shard: number): void {
    if (this.#onVacant.size === 0 || !this.#byShard.isEmpty(shard)) return;
    this.#onVacant.get(shard)?.();
    this.#onVacant.delete(shard);
  }

  onOutlived(call: HandlerCall): void {
    if (!call.isAsync) return;
    const { type, key, shard } = call.entry;
    call.outlived = { type, key, shard, sinceMs: call.startedMs };
    this.overdue.watch(call.outlived, call.limitMs);
  }

  onLateEnd({ outlived }: HandlerCall): void {
    if (outlived !== undefined) this.overdue.ended(outlived);
  }

  onCallEnd(call: HandlerCall, isSuccess: boolean): void {
    this.#admission.ended(call.bytes);
    if (call.isAsync) {
      this.deadlines.remove(call);
      this.#byShard.remove(call.entry.shard, call);
      this.#lookVacant(call.entry.shard);
      this.#running.remove(call);
    }
    if (this.options.metrics !== noMetrics || this.#shedder !== undefined) this.#measure(call, isSuccess);
    if (this.inFlight === 0) this.#onIdle?.();
  }

  #ended(bytes: number): void {
    this.#admission.ended(bytes);
    if (this.inFlight === 0) this.#onIdle?.();
  }

  #measure(call: HandlerCall, isSuccess: boolean): void {
    const { metrics, clock } = this.options;
    const { entry, refusal, beganMs, startedMs } = call;
    const { type } = entry;
    const endedMs = clock.monoMs();
    if (!call.isAsync) {
      this.#endedMs = endedMs;
      this.#endedIn = entry.receivedAtMs;
    }
    if (refusal === undefined) this.#shedder?.runTimes.ended(type, endedMs - beganMs, isSuccess, endedMs);
    if (metrics === noMetrics) return;
    const label = this.#labels.of(type, isSuccess);
    if (refusal === undefined) {
      metrics.handlerEnded(label, isSuccess, endedMs - beganMs, beganMs - startedMs);
    } else {
      metrics.handlerEnded(label, isSuccess, undefined, endedMs - startedMs);
      countRefusal(metrics, entry, refusal);
    }
  }

  #toRequest(entry: InboundEntry): InboundRequest {
    const { type, key, shard, isNotify } = entry;
    if (!this.#knownTypes.has(type)) this.#learnType(type);
    const payload = payloadIn(entry, this.options.codec);
    if (entry.headers === undefined) {
      return new InboundRequest(key, shard, type, payload, NO_HEADERS, isNotify, this.#noChain);
    }
    const headers = copyHeaders(entry.headers, FRAMEWORK_HEADERS) ?? NO_HEADERS;
    return new InboundRequest(key, shard, type, payload, headers, isNotify, this.#chainOf(entry.headers));
  }

  #chainOf(headers: Headers): CallChain {
    const { [CALL_CHAIN_HEADER]: chain, [ATTEMPT_HEADER]: sent } = headers;
    const attempt = attemptIn(sent);
    const critical = isCritical(headers);
    if (chain !== undefined) return decodeCallChain(chain, this.#ticket, attempt, critical);
    return attempt === 1 && !critical ? this.#noChain : heldBy(this.#ticket, [], '', attempt, critical);
  }

  #learnType(type: string): void {
    checkType(type);
    if (type.startsWith(RESERVED_TYPE_PREFIX)) {
      throw new ClstrError('UNKNOWN_TYPE', `this node does not know message type ${describe(type)}`);
    }
    if (this.#knownTypes.size < MAX_KNOWN_TYPES) this.#knownTypes.add(type);
  }

  #refuse(entry: InboundEntry, port: ReplyPort, error: Failure): void {
    countRefusal(this.options.metrics, entry, error);
    port.fail(entry, error);
  }

  #await(result: PromiseLike<unknown>, call: HandlerCall): void {
    call.isAsync = true;
    this.deadlines.add(call);
    this.#byShard.add(call.entry.shard, call);
    this.#running.add(call);
    call.entry.payload = '';
    result.then(
      (value) => call.succeed(value),
      (error: unknown) => call.fail(error),
    );
  }
}
