/**
 * What a node does with an entry, whatever the transport: admission, time budget, handler, reply.
 *
 * Stages: known attempt? → draining? → owned? → well-formed? → in time? → room? → decode → handler → encode → reply.
 * Everything refused before `handler` is `not-executed`; nothing after it is.
 */
import { CALL_CHAIN_HEADER, Ticket, decodeCallChain, heldBy } from '../wire/call-chain.ts';
import type { CallChain } from '../wire/call-chain.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import { decodePayload } from '../wire/codec.ts';
import { describe } from '../base/describe.ts';
import type { Headers } from '../wire/envelope.ts';
import {
  NODE_INFO_TYPE,
  NO_HEADERS,
  PROBE_TYPE,
  RESERVED_TYPE_PREFIX,
  TOPOLOGY_TYPE,
  checkType,
  copyHeaders,
} from '../wire/envelope.ts';
import { ATTEMPT_HEADER, FRAMEWORK_HEADERS, attemptIn } from '../wire/framework-headers.ts';
import { ClstrError } from '../base/errors.ts';
import type { ErrorCode, Failure, Refusal } from '../base/errors.ts';
import { FloodLog } from '../base/flood-log.ts';
import { Admission } from './admission.ts';
import type { AdmissionOptions } from './admission.ts';
import type { HandlerCallHost, HandlerCallOptions } from './handler-call.ts';
import { HandlerCall } from './handler-call.ts';
import { traceHandler } from './handler-trace.ts';
import type { Handler, HandlerRequest } from './handler.ts';
import { noTracing } from '../wire/tracing.ts';
import type { Tracing } from '../wire/tracing.ts';
import { detached } from '../base/async-context.ts';
import { AttemptWindow } from './attempt-window.ts';
import { DeadlineWheel } from '../base/deadline-wheel.ts';
import { OverdueTurns } from '../base/overdue-turns.ts';
import { ByShard } from '../base/by-shard.ts';
import { Slices } from '../base/slices.ts';
import type { SafeMetrics } from '../base/metrics.ts';
import { noMetrics } from '../base/metrics.ts';
import { Questions } from './questions.ts';
import { NOWHERE, heldBytes } from '../wire/transport.ts';
import type { ClusterLocation, EntryReceiver, InboundEntry, ReplyPort } from '../wire/transport.ts';
import { TypeLabels } from '../base/type-labels.ts';

export interface DispatchOptions extends HandlerCallOptions, AdmissionOptions {
  /** The identity with which clients compare their own. */
  readonly identity: ClusterIdentity;
  /** The user's handler with all interceptors around it. */
  readonly handler: Handler;
  readonly metrics: SafeMetrics;
  readonly tracing: Tracing;
  readonly cluster: ClusterLocation | undefined;
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
  readonly #window = new AttemptWindow();
  /** Running handlers by client id and attempt, for cancel; JSON entries, which have neither, are not in it. */
  readonly #running = new Map<number, Map<number, HandlerCall>>();
  readonly #knownTypes = new Set<string>();
  readonly #labels: TypeLabels;
  /**
   * With metrics: when the last handler ended, and in which frame, by its time of arrival. If it is followed by the next
   * entry of its frame, that one begins at the same time: each clock reading costs a percent of a message.
   */
  #endedMs = 0;
  #endedIn = NaN;
  readonly #questions: Questions;
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
  /**
   * For the shards' subjects: a node that has lost a shard, or may have, is silent there, because its owner answers too.
   */
  readonly onShardSubjects: EntryReceiver = {
    onEntry: (entry, port) => {
      if (entry.type === TOPOLOGY_TYPE) return;
      // A probe asks about the subject alone: a node that has yet to assert the shard is reached all the same.
      const mayAnswer = this.options.shards.holds(entry.shard, undefined) || entry.type === PROBE_TYPE;
      if (mayAnswer) this.onEntry(entry, port);
    },
    onCancel: (clientId, attempt) => {
      this.onCancel(clientId, attempt);
    },
  };
  /** For the nodes' common subject, on which a node answers nothing else. */
  readonly onCommonSubject: EntryReceiver = {
    onEntry: (entry, port) => {
      if (entry.type === TOPOLOGY_TYPE) this.onEntry(entry, port);
    },
    onCancel: () => {
      /* every answer there is immediate */
    },
  };

  constructor(options: DispatchOptions) {
    this.options = options;
    this.deadlines = new DeadlineWheel(options.clock);
    this.#slices = new Slices(options.clock);
    this.#labels = new TypeLabels(options.types);
    this.floodLog = new FloodLog(options.logger, options.clock);
    this.#questions = new Questions(options);
    this.#ticket = new Ticket(options.random);
    this.#admission = new Admission(options, this.#ticket);
    this.#noChain = Object.freeze(heldBy(this.#ticket));
    this.overdue = new OverdueTurns(options.clock, options.logger);
  }

  /** How many messages are accepted and not yet answered. */
  get inFlight(): number {
    return this.#admission.inFlight;
  }

  /** How many of them wait until a layer, such as actors, runs them: counted when it is asked for. */
  get waiting(): number {
    return this.deadlines.items().filter(({ onAbort }) => onAbort !== undefined).length;
  }

  onEntry(entry: InboundEntry, port: ReplyPort): void {
    const { type } = entry;
    if (type === TOPOLOGY_TYPE || type === PROBE_TYPE || type === NODE_INFO_TYPE) {
      this.#onQuestion(entry, port);
      return;
    }
    this.inbound++;
    const nowMs = entry.receivedAtMs === this.#endedIn ? this.#endedMs : this.options.clock.monoMs();
    this.#endedIn = NaN;
    if (entry.clientId !== 0 && !this.#window.admit(entry.clientId, entry.attempt, port.inbox, nowMs)) return;
    let request: Request;
    try {
      const refusal = this.#admission.refusal(entry, nowMs);
      if (refusal !== undefined) {
        this.#refuse(entry, port, refusal);
        return;
      }
      request = this.#toRequest(entry);
    } catch (error) {
      this.#refuse(entry, port, error as ClstrError);
      return;
    }
    const call = new HandlerCall(this, entry, port, nowMs);
    this.#admission.began(call.bytes);
    const { handler, tracing } = this.options;
    if (tracing !== noTracing) this.#beginTrace(request, call);
    try {
      const result = detached(handler, request, call);
      if (isThenable(result)) this.#await(result, call);
      else call.succeed(result);
    } catch (error) {
      call.fail(error);
    }
  }

  #beginTrace(request: Request, call: HandlerCall): void {
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
    answer ??= type === PROBE_TYPE ? 'null' : this.#questions.answer(entry, nowMs);
    // An answer larger than all room has it to itself.
    if (typeof answer === 'string') {
      answer = this.#admission.full(entry, nowMs, Math.min(answer.length, maxInFlightBytes)) ?? answer;
    }
    if (typeof answer === 'string') port.reply(entry, answer, false);
    else this.#refuse(entry, port, answer);
  }

  onCancel(clientId: number, attempt: number): void {
    this.#running.get(clientId)?.get(attempt)?.cancel();
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
  }

  /** Answers running calls with an error, and fires their signals; admission goes on. Resolves when that is done. */
  async abortCalls(error: ClstrError, shard?: number): Promise<void> {
    const calls = shard === undefined ? this.deadlines.items() : this.#byShard.of(shard);
    await this.#slices.each(calls, (call) => call.abort(error));
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
    const { clientId, attempt, type } = call.entry;
    if (call.isAsync) {
      this.deadlines.remove(call);
      this.#byShard.remove(call.entry.shard, call);
      this.#lookVacant(call.entry.shard);
      const attempts = this.#running.get(clientId);
      if (attempts?.get(attempt) === call) {
        attempts.delete(attempt);
        if (attempts.size === 0) this.#running.delete(clientId);
      }
    }
    const { metrics, clock } = this.options;
    if (metrics !== noMetrics) {
      const endedMs = clock.monoMs();
      if (!call.isAsync) {
        this.#endedMs = endedMs;
        this.#endedIn = call.entry.receivedAtMs;
      }
      const { refusal, beganMs, startedMs } = call;
      const label = this.#labels.of(type, isSuccess);
      if (refusal === undefined) {
        metrics.handlerEnded(label, isSuccess, endedMs - beganMs, beganMs - startedMs);
      } else {
        metrics.handlerEnded(label, isSuccess, undefined, endedMs - startedMs);
        this.#countRefusal(refusal);
      }
    }
    if (this.inFlight === 0) this.#onIdle?.();
  }

  #toRequest(entry: InboundEntry): Request {
    const { type, key, shard, isNotify } = entry;
    if (!this.#knownTypes.has(type)) this.#learnType(type);
    const payload = this.#decode(entry);
    if (entry.headers === undefined) {
      return new Request(key, shard, type, payload, NO_HEADERS, isNotify, this.#noChain);
    }
    const headers = copyHeaders(entry.headers, FRAMEWORK_HEADERS) ?? NO_HEADERS;
    return new Request(key, shard, type, payload, headers, isNotify, this.#chainOf(entry.headers));
  }

  #chainOf({ [CALL_CHAIN_HEADER]: chain, [ATTEMPT_HEADER]: sent }: Headers): CallChain {
    const attempt = attemptIn(sent);
    if (chain !== undefined) return decodeCallChain(chain, this.#ticket, attempt);
    return attempt === 1 ? this.#noChain : heldBy(this.#ticket, [], '', attempt);
  }

  #decode(entry: InboundEntry): unknown {
    const { codec } = this.options;
    try {
      return decodePayload(codec, entry.payload, entry.isRaw);
    } catch (cause) {
      const message = `the payload of ${describe(entry.type)} is not valid ${codec.name}`;
      throw new ClstrError('INVALID_ENVELOPE', message, { cause });
    }
  }

  #learnType(type: string): void {
    checkType(type);
    if (type.startsWith(RESERVED_TYPE_PREFIX)) {
      throw new ClstrError('UNKNOWN_TYPE', `this node does not know message type ${describe(type)}`);
    }
    if (this.#knownTypes.size < MAX_KNOWN_TYPES) this.#knownTypes.add(type);
  }

  #refuse(entry: InboundEntry, port: ReplyPort, error: Failure): void {
    this.#countRefusal(error.code);
    port.fail(entry, error);
  }

  #countRefusal(code: ErrorCode): void {
    const { metrics } = this.options;
    metrics.messageRefused(code);
    if (code === 'ENVELOPE_EXPIRED') metrics.transportError('ttl_expired');
  }

  #await(result: PromiseLike<unknown>, call: HandlerCall): void {
    call.isAsync = true;
    this.deadlines.add(call);
    this.#byShard.add(call.entry.shard, call);
    const { clientId, attempt } = call.entry;
    call.entry.payload = '';
    if (clientId !== 0) {
      let attempts = this.#running.get(clientId);
      if (attempts === undefined) this.#running.set(clientId, (attempts = new Map<number, HandlerCall>()));
      attempts.set(attempt, call);
    }
    result.then(
      (value) => {
        call.succeed(value);
      },
      (error: unknown) => {
        call.fail(error);
      },
    );
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** A class, because objects that wait must not be literals: docs/decisions/0011. Positional, because it is hot. */
class Request implements HandlerRequest {
  readonly key: string | undefined;
  readonly shard: number;
  readonly type: string;
  readonly payload: unknown;
  /** A span replaces them before the handler sees them. */
  headers: Headers;
  readonly isNotify: boolean;
  readonly callChain: CallChain;

  constructor(
    key: string | undefined,
    shard: number,
    type: string,
    payload: unknown,
    headers: Headers,
    isNotify: boolean,
    callChain: CallChain,
  ) {
    this.key = key;
    this.shard = shard;
    this.type = type;
    this.payload = payload;
    this.headers = headers;
    this.isNotify = isNotify;
    this.callChain = callChain;
  }
}
