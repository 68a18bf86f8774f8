/** One bucket as JetStream knows it: the stream `KV_<name>`, asked by requests to the stream's leader. */
import type { Clock } from '@clstr/core';
import type { CasOutcome, StoreEntry } from '@clstr/core/store';
import { ClstrError, isClstrError } from '@clstr/core';
import { refusalOf } from '@clstr/core/store';
import { describe } from '@clstr/core/internal';
import type { Msg, MsgHdrs } from 'nats';
import { headers as createHeaders } from 'nats';
import type { ControlConnection } from './control-connection.ts';
import { ApiErrors, fromApiError, isApiError, jetStreamSilent, subjectsTaken } from './nats-errors.ts';
import type { ApiError } from './nats-errors.ts';

export interface BucketShape {
  readonly replicas: number;
  readonly storage: 'file' | 'memory';
}

/** A bucket that is there. */
export interface FoundBucket {
  readonly shape: BucketShape;
  /** What brings in records that no member wrote; empty in a bucket of our own making. */
  readonly inflows: readonly string[];
  /** Its records go to other subjects too. */
  readonly isRepublished: boolean;
  /** No single write deletes all of it. */
  readonly isGuarded: boolean;
}

export interface ConsumerRequest {
  readonly deliverSubject: string;
  readonly filterSubject: string;
  readonly idleHeartbeatMs: number;
}

export class Bucket {
  readonly stream: string;
  readonly #control: ControlConnection;
  readonly #clock: Clock;
  readonly #subjectPrefix: string;

  constructor(control: ControlConnection, name: string, clock: Clock) {
    this.#control = control;
    this.#clock = clock;
    this.stream = `KV_${name}`;
    this.#subjectPrefix = `$KV.${name}.`;
  }

  /** Also of patterns. */
  subjectOf(key: string): string {
    return this.#subjectPrefix + key;
  }

  /** Without a message id: the server must see each repeat, and refuse it. Never rejects. */
  async cas(key: string, revision: number, value: string | undefined, timeoutMs: number): Promise<Written> {
    const headers = createHeaders();
    headers.set('Nats-Expected-Last-Subject-Sequence', String(revision));
    if (value === undefined) headers.set('KV-Operation', 'DEL');
    let message: Msg;
    try {
      const bytes = value === undefined ? undefined : encoder.encode(value);
      message = await this.#control.request({ subject: this.subjectOf(key), bytes, headers, timeoutMs });
    } catch (error) {
      return isClstrError(error, 'NO_SUBSCRIBER') ? 'no-stream' : unknownAfter(error);
    }
    return readAck(message.data, this.stream);
  }

  /** Undefined when there is no such key or no bucket. */
  async read(key: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    const answer = await this.#askWritten<{ message: StoredMessage }>(
      'STREAM.MSG.GET',
      { last_by_subj: this.subjectOf(key) },
      timeoutMs,
    );
    return answer && this.#entryOf(answer.message);
  }

  /** Undefined when there is no bucket. */
  async look(timeoutMs: number): Promise<FoundBucket | undefined> {
    const info = await this.#info(timeoutMs);
    if (info === undefined) return undefined;
    const { num_replicas: replicas, storage } = info.config;
    return { shape: { replicas, storage }, ...this.#judge(info.config) };
  }

  /** Closes a bucket that an earlier version made to roll-ups and purges, and changes nothing else of it. */
  async guard(timeoutMs: number): Promise<void> {
    const info = await this.#info(timeoutMs);
    if (info === undefined) return;
    await this.#ask(`STREAM.UPDATE.${this.stream}`, { ...info.config, ...GUARDS }, timeoutMs, []);
  }

  /** What of its stream brings in records from elsewhere, and what takes records to other subjects. */
  #judge(config: StreamConfig): Omit<FoundBucket, 'shape'> {
    const own = `${this.#subjectPrefix}>`;
    const { subjects = [] } = config;
    // A stream that has only the name takes no writes either, and gives no records.
    const others = subjects.includes(own) ? subjects.filter((subject) => subject !== own) : [];
    const inflows = [
      ...others.map(describe),
      ...(['mirror', 'sources', 'subject_transform'] as const).filter((name) => config[name] !== undefined),
    ];
    return { inflows, isRepublished: config.republish !== undefined, isGuarded: isGuarded(config) };
  }

  /** The names of all keys, deleted ones included; empty when there is no bucket. */
  async keys(timeoutMs: number): Promise<Set<string>> {
    const answer = await this.#askWritten<{ state: { subjects?: Record<string, number> } }>(
      'STREAM.INFO',
      { subjects_filter: this.subjectOf('>') },
      timeoutMs,
    );
    const subjects = Object.keys(answer?.state.subjects ?? {});
    return new Set(subjects.map((subject) => subject.slice(this.#subjectPrefix.length)));
  }

  /** Does nothing when the bucket is there, whatever its shape. */
  async create({ replicas, storage }: BucketShape, timeoutMs: number): Promise<void> {
    const config = {
      name: this.stream,
      subjects: [`${this.#subjectPrefix}>`],
      description: 'members and shards of a clstr cluster',
      retention: 'limits',
      max_msgs_per_subject: 1,
      max_msgs: -1,
      max_bytes: -1,
      max_age: 0,
      max_msg_size: -1,
      max_consumers: -1,
      discard: 'new',
      num_replicas: replicas,
      storage,
      // A direct read may be answered by a replica that is behind.
      allow_direct: false,
      ...GUARDS,
    };
    const made = await this.#ask(`STREAM.CREATE.${this.stream}`, config, timeoutMs, [
      ApiErrors.STREAM_EXISTS,
      ApiErrors.SUBJECTS_OVERLAP,
    ]);
    // The server also finds an overlap with the very same stream, where another client is just making it.
    if (made === undefined && (await this.#info(timeoutMs)) === undefined) throw subjectsTaken(this.stream);
  }

  /**
   * Starts a consumer that pushes the newest of each key, then what is new; it ends soon after nobody listens. Gives
   * its name, or undefined when there is no bucket.
   */
  async consume(
    { deliverSubject, filterSubject, idleHeartbeatMs }: ConsumerRequest,
    timeoutMs: number,
  ): Promise<string | undefined> {
    const config = {
      deliver_subject: deliverSubject,
      deliver_policy: 'last_per_subject',
      filter_subject: filterSubject,
      ack_policy: 'none',
      replay_policy: 'instant',
      max_deliver: 1,
      mem_storage: true,
      num_replicas: 1,
      idle_heartbeat: idleHeartbeatMs * NANOS_PER_MS,
      flow_control: true,
    };
    const answer = await this.#ask<{ name: unknown }>(
      `CONSUMER.CREATE.${this.stream}`,
      { stream_name: this.stream, config },
      timeoutMs,
      [ApiErrors.NO_STREAM],
    );
    return answer && checkConsumerName(answer.name);
  }

  /** Whether the server wants to hear of this subject that this bucket's consumer keeps up. */
  isFlowControl(subject: string): boolean {
    return subject.startsWith(`$JS.FC.${this.stream}.`);
  }

  /** In the background: a consumer that nobody hears ends by itself, only later. */
  forget(consumer: string): void {
    this.#ask(`CONSUMER.DELETE.${this.stream}.${consumer}`, undefined, FORGET_MS, []).catch(() => undefined);
  }

  /** Undefined when the message is no entry of this bucket. */
  entryOfMessage({ subject, headers, data }: Msg, revision: number): StoreEntry | undefined {
    if (!subject.startsWith(this.#subjectPrefix)) return undefined;
    const key = subject.slice(this.#subjectPrefix.length);
    return { key, revision, value: isDeletion(headers) ? undefined : decoder.decode(data) };
  }

  #entryOf({ subject, seq, hdrs, data }: StoredMessage): StoreEntry {
    const key = subject.slice(this.#subjectPrefix.length);
    const head = hdrs === undefined ? '' : decoder.decode(Buffer.from(hdrs, 'base64'));
    const value = DELETION.test(head) ? undefined : decoder.decode(Buffer.from(data ?? '', 'base64'));
    return { key, revision: seq, value };
  }

  #info(timeoutMs: number): Promise<StreamInfo | undefined> {
    return this.#ask(`STREAM.INFO.${this.stream}`, undefined, timeoutMs, [ApiErrors.NO_STREAM]);
  }

  /**
   * The answer about what the stream holds, undefined when it holds nothing of the kind. The server is asked first whether
   * anything was written: nats-server 2.9.10 dies of such a question about a stream that another client is just making,
   * and tells of it, if only asked for its state, that nothing was.
   */
  async #askWritten<T>(method: string, body: object, timeoutMs: number): Promise<T | undefined> {
    const untilMs = this.#clock.monoMs() + timeoutMs;
    const info = await this.#info(timeoutMs);
    if (info === undefined || info.state.last_seq === 0) return undefined;
    return await this.#ask<T>(`${method}.${this.stream}`, body, untilMs - this.#clock.monoMs(), [
      ApiErrors.NO_MESSAGE,
      ApiErrors.NO_STREAM,
    ]);
  }

  /** The answer, or undefined for an error of `expected`. */
  async #ask<T>(
    method: string,
    body: object | undefined,
    timeoutMs: number,
    expected: readonly number[],
  ): Promise<T | undefined> {
    const bytes = body === undefined ? undefined : encoder.encode(JSON.stringify(body));
    const subject = `$JS.API.${method}`;
    const message = await this.#control
      .request({ subject, bytes, headers: undefined, timeoutMs })
      .catch((error: unknown) => {
        throw isClstrError(error, 'NO_SUBSCRIBER') ? jetStreamSilent(error) : error;
      });
    const answer = message.json<T | { error: ApiError }>();
    if (!isApiError(answer)) return answer;
    if (expected.includes(answer.error.err_code)) return undefined;
    throw fromApiError(answer.error, method);
  }
}

/** `no-stream`: no stream listens to the key, so that nothing was written. */
export type Written = CasOutcome | 'no-stream';

/** It becomes part of a subject, and whoever may publish to inboxes can answer in the server's place. */
function checkConsumerName(name: unknown): string {
  if (typeof name === 'string' && CONSUMER_NAME.test(name)) return name;
  throw new ClstrError('CONNECTION_LOST', `JetStream named a consumer ${describe(name)}, which is no name`);
}

const CONSUMER_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * One write with a roll-up header would delete every record, and so would a purge. Nobody here does either: a record is
 * deleted by a mark.
 */
const GUARDS = { deny_delete: true, deny_purge: true, allow_rollup_hdrs: false } as const;

function isGuarded(config: StreamConfig): boolean {
  return config.deny_purge === true && config.allow_rollup_hdrs !== true;
}

interface StreamConfig {
  readonly num_replicas: number;
  readonly storage: 'file' | 'memory';
  readonly subjects?: readonly string[];
  readonly mirror?: object;
  readonly sources?: readonly object[];
  readonly republish?: object;
  readonly subject_transform?: object;
  readonly deny_purge?: boolean;
  readonly allow_rollup_hdrs?: boolean;
}

interface StreamInfo {
  readonly config: StreamConfig;
  readonly state: { readonly last_seq: number };
}

interface StoredMessage {
  readonly subject: string;
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const UNKNOWN: CasOutcome = { kind: 'unknown' };
const NANOS_PER_MS = 1_000_000;
const FORGET_MS = 2_000;
/** Whether a message's head says that its key was deleted, purged, or dropped by a server that marks what it drops. */
const DELETION = /^(?:KV-Operation: *(?:DEL|PURGE)|Nats-Marker-Reason:.*)\r?$/im;

function isDeletion(headers: MsgHdrs | undefined): boolean {
  if (headers === undefined) return false;
  const operation = headers.get('KV-Operation');
  return operation === 'DEL' || operation === 'PURGE' || headers.has('Nats-Marker-Reason');
}

/** Without the reason where there is only silence. */
export function unknownAfter(error: unknown): CasOutcome {
  const refusal = refusalOf(error);
  return refusal === undefined ? UNKNOWN : { kind: 'unknown', refusal };
}

/** What the answer to a compare-and-set says; anything that is no answer to one is `unknown`. */
export function readAck(data: Uint8Array, stream: string): CasOutcome {
  let ack: unknown;
  try {
    ack = JSON.parse(decoder.decode(data));
  } catch {
    return UNKNOWN;
  }
  if (isApiError(ack)) {
    if (ack.error.err_code === ApiErrors.WRONG_SEQUENCE) return { kind: 'lost' };
    if (ack.error.err_code === ApiErrors.WRITE_IN_FLIGHT) return { kind: 'undecided' };
    return unknownAfter(fromApiError(ack.error, `a write to ${stream}`));
  }
  const revision = (ack as { seq?: unknown } | null)?.seq;
  return Number.isSafeInteger(revision) ? { kind: 'acked', revision: revision as number } : UNKNOWN;
}
