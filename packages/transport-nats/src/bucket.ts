/** One bucket in JetStream: the stream `KV_<name>`, through requests to the stream's leader. */
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

/** A bucket that exists. */
export interface FoundBucket {
  readonly shape: BucketShape;
  /** The settings that bring in records that no member wrote; empty if this package created the bucket. */
  readonly inflows: readonly string[];
  /** The stream republishes its records to other subjects. */
  readonly isRepublished: boolean;
  /** The stream allows no single write that deletes all records. */
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

  /** Accepts patterns too. */
  subjectOf(key: string): string {
    return this.#subjectPrefix + key;
  }

  /** Sends no message id, because the server must see and refuse each repeat. Never rejects. */
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

  /** Returns undefined if there is no such key or no bucket. */
  async read(key: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    const answer = await this.#askWritten<{ message: StoredMessage }>(
      'STREAM.MSG.GET',
      { last_by_subj: this.subjectOf(key) },
      timeoutMs,
    );
    return answer && this.#entryOf(answer.message);
  }

  /** Returns undefined if there is no bucket. */
  async look(timeoutMs: number): Promise<FoundBucket | undefined> {
    const info = await this.#info(timeoutMs);
    if (info === undefined) return undefined;
    const { num_replicas: replicas, storage } = info.config;
    return { shape: { replicas, storage }, ...this.#judge(info.config) };
  }

  /** Forbids roll-ups and purges in a bucket that an earlier version created, and changes nothing else. */
  async guard(timeoutMs: number): Promise<void> {
    const info = await this.#info(timeoutMs);
    if (info === undefined) return;
    await this.#ask(`STREAM.UPDATE.${this.stream}`, { ...info.config, ...GUARDS }, timeoutMs, []);
  }

  /** Finds settings of the stream that bring in records from elsewhere, or send records to other subjects. */
  #judge(config: StreamConfig): Omit<FoundBucket, 'shape'> {
    const own = `${this.#subjectPrefix}>`;
    const { subjects = [] } = config;
    // A stream without the bucket's own subject takes no writes and holds no records.
    const others = subjects.includes(own) ? subjects.filter((subject) => subject !== own) : [];
    const inflows = [
      ...others.map(describe),
      ...(['mirror', 'sources', 'subject_transform'] as const).filter((name) => config[name] !== undefined),
    ];
    return { inflows, isRepublished: config.republish !== undefined, isGuarded: isGuarded(config) };
  }

  /** Returns the names of all keys, deleted ones included; none if there is no bucket. */
  async keys(timeoutMs: number): Promise<Set<string>> {
    const answer = await this.#askWritten<{ state: { subjects?: Record<string, number> } }>(
      'STREAM.INFO',
      { subjects_filter: this.subjectOf('>') },
      timeoutMs,
    );
    const subjects = Object.keys(answer?.state.subjects ?? {});
    return new Set(subjects.map((subject) => subject.slice(this.#subjectPrefix.length)));
  }

  /** Does nothing if the bucket exists, whatever its shape. */
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
      // A replica that is behind may answer a direct read.
      allow_direct: false,
      ...GUARDS,
    };
    const made = await this.#ask(`STREAM.CREATE.${this.stream}`, config, timeoutMs, [
      ApiErrors.STREAM_EXISTS,
      ApiErrors.SUBJECTS_OVERLAP,
    ]);
    // The server reports an overlap even with this very stream, while another client is creating it.
    if (made === undefined && (await this.#info(timeoutMs)) === undefined) throw subjectsTaken(this.stream);
  }

  /**
   * Starts a consumer that pushes the newest write of each key, then new ones; it ends soon after its listener leaves.
   * Returns its name, or undefined if there is no bucket.
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

  /** Whether this is the subject on which the server expects flow control answers of this bucket's consumer. */
  isFlowControl(subject: string): boolean {
    return subject.startsWith(`$JS.FC.${this.stream}.`);
  }

  /** Deletes a consumer in the background: without a listener it would end by itself, only later. */
  forget(consumer: string): void {
    this.#ask(`CONSUMER.DELETE.${this.stream}.${consumer}`, undefined, FORGET_MS, []).catch(() => undefined);
  }

  /** Returns undefined if the message is not an entry of this bucket. */
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
   * Asks what the stream holds; returns undefined if it holds nothing of the kind. It first asks whether anything was
   * written: nats-server 2.9.10 crashes on such a question about a stream that another client is just creating, but
   * answers a question about its state with "nothing".
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

  /** Returns the answer, or undefined for an error in `expected`. */
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

/** `no-stream`: no stream has the key's subject, so nothing was written. */
export type Written = CasOutcome | 'no-stream';

/** The name becomes part of a subject, and any user who may publish to inboxes can answer in place of the server. */
export function checkConsumerName(name: unknown): string {
  if (typeof name === 'string' && CONSUMER_NAME.test(name)) return name;
  throw new ClstrError('CONNECTION_LOST', `JetStream gave a consumer the invalid name ${describe(name)}`);
}

const CONSUMER_NAME = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * One write with a roll-up header would delete every record, and so would a purge. No code here does either: it deletes a
 * record by a mark.
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

/** Leaves out the reason if the store was only silent. */
export function unknownAfter(error: unknown): CasOutcome {
  const refusal = refusalOf(error);
  return refusal === undefined ? UNKNOWN : { kind: 'unknown', refusal };
}

/** Reads the answer to a compare-and-set; anything else is `unknown`. */
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
  const { seq: revision, stream: by } = (ack ?? {}) as { seq?: unknown; stream?: unknown };
  // Another stream that takes the subject has written, and nobody will find it there.
  if (by !== stream) return UNKNOWN;
  return Number.isSafeInteger(revision) ? { kind: 'acked', revision: revision as number } : UNKNOWN;
}
