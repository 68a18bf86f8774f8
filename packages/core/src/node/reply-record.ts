/**
 * What a node remembers of one idempotency key: that its handler runs, and then the first reply. Repeats that come while it
 * runs wait here for the same reply.
 */
import type { Failure } from '../base/errors.ts';
import type { DeadlineWheel } from '../base/deadline-wheel.ts';
import type { Codec } from '../wire/codec.ts';
import { encodePayload, isRawPayload } from '../wire/codec.ts';
import type { CarriedReply } from './carried-replies.ts';
import type { Joinable, JoinedCall } from './joined-call.ts';
import { failure, keptError, keptValue, lostReply, noReply, sizeOf } from './kept-reply.ts';
import type { KeptReply } from './kept-reply.ts';

/** What all records of a node share. */
export interface ReplyRecordHost {
  readonly nodeId: string;
  readonly joinedCalls: DeadlineWheel<JoinedCall>;
  /** Whether a message that was admitted in the epoch may still be answered. */
  mayAnswer(shard: number, epoch: number | undefined): boolean;
  /** The handler did not run: the key is free again. */
  onRefused(record: ReplyRecord): void;
  /** The record has been answered, and now may grow old. Called once, unless it is refused or forgotten first. */
  onAnswered(record: ReplyRecord): void;
  onResized(record: ReplyRecord, bytes: number): void;
  onJoinEnded(call: JoinedCall): void;
}

/** What a record takes besides its texts. */
const RECORD_BYTES = 256;

export class ReplyRecord implements Joinable {
  readonly #host: ReplyRecordHost;
  readonly shard: number;
  readonly key: string;
  /** A hash of the call: a repeat must be the same call. */
  readonly fingerprint: string;
  readonly #epoch: number | undefined;
  /** The first reply; undefined while the handler runs, even if its caller has been answered without it. */
  reply: KeptReply | undefined;
  bytes: number;
  /** The first caller has its answer. */
  #isAnswered = false;
  /** Its key is not known here any more. */
  #isForgotten = false;
  readonly #joined = new Set<JoinedCall>();

  constructor(
    host: ReplyRecordHost,
    shard: number,
    key: string,
    fingerprint: string,
    epoch: number | undefined,
  ) {
    this.#host = host;
    this.shard = shard;
    this.key = key;
    this.fingerprint = fingerprint;
    this.#epoch = epoch;
    this.bytes = RECORD_BYTES + key.length;
  }

  /** What the next owner of the shard gets: without a reply yet, the key alone. */
  get carried(): CarriedReply {
    const { key, fingerprint } = this;
    return { key, fingerprint, reply: this.reply ?? keptError(lostReply(this.#host.nodeId, key)) };
  }

  /** Repeats wait for the handler: its first caller may give up, but it must go on. */
  get isAwaited(): boolean {
    return this.#joined.size > 0;
  }

  /** The repeat waits for the reply, until its own time is over. */
  join(call: JoinedCall): void {
    this.#joined.add(call);
    this.#host.joinedCalls.add(call);
  }

  leave(call: JoinedCall, error: Failure): void {
    this.#joined.delete(call);
    this.#answer(call, { payload: '', isRaw: false, error });
  }

  /** The call has run at a former owner of the shard. */
  restore(reply: KeptReply): void {
    this.#keep(reply, reply);
  }

  succeed(payload: string | Uint8Array, isRaw: boolean): void {
    this.#keep(keptValue(this.#host.nodeId, payload, isRaw), { payload, isRaw, error: undefined });
  }

  /** The handler has succeeded after its caller was answered without it. */
  succeedLate(codec: Codec, value: unknown): void {
    let payload: string | Uint8Array;
    try {
      payload = encodePayload(codec, value);
    } catch {
      this.lose();
      return;
    }
    this.succeed(payload, isRawPayload(value));
  }

  /** The handler has failed, or the message was refused before it ran. */
  fail(error: Failure): void {
    const reply = keptError(error);
    if (error.outcome !== 'not-executed') this.#keep(reply, reply);
    else if (this.reply === undefined) {
      this.#host.onRefused(this);
      this.#answerAll(reply);
    }
  }

  /** The handler has ended in a way that leaves no reply. */
  lose(): void {
    const reply = keptError(noReply(this.#host.nodeId, this.key));
    this.#keep(reply, reply);
  }

  /** Caller and repeats are answered with `error`, but the handler runs on: later repeats wait for its reply. */
  outlive(error: Failure | undefined): void {
    if (error !== undefined) this.#answerAll(keptError(error));
    this.#onAnswered();
  }

  forget(): void {
    this.#isForgotten = true;
    this.#answerAll(keptError(lostReply(this.#host.nodeId, this.key)));
  }

  #keep(kept: KeptReply, reply: KeptReply): void {
    if (this.reply !== undefined) return;
    this.reply = kept;
    this.#answerAll(reply);
    if (this.#isForgotten) return;
    this.#host.onResized(this, sizeOf(kept));
    this.#onAnswered();
  }

  #onAnswered(): void {
    if (this.#isAnswered || this.#isForgotten) return;
    this.#isAnswered = true;
    this.#host.onAnswered(this);
  }

  #answerAll(reply: KeptReply): void {
    for (const call of this.#joined) {
      this.#joined.delete(call);
      this.#host.joinedCalls.remove(call);
      this.#answer(call, reply);
    }
  }

  /** Like every reply, it leaves only while no other node can have gone on from an older state. */
  #answer(call: JoinedCall, reply: KeptReply): void {
    const { nodeId } = this.#host;
    const mayLeave = reply.error?.outcome === 'not-executed' || this.#host.mayAnswer(this.shard, this.#epoch);
    const fenced = failure(
      'FENCED',
      'unknown',
      `the shard may have another owner than node ${nodeId} by now`,
    );
    call.answer(mayLeave ? reply : keptError(fenced));
    this.#host.onJoinEnded(call);
  }
}
