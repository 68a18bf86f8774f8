/** The way back for one envelope of the JSON wire: one message per reply. */
import type { InboundEntry, ReplyPort } from '@clstr/core/wire';
import type { Failure } from '@clstr/core/handler';
import { shortError } from '@clstr/core/wire';
import { describe } from '@clstr/core/internal';
import type { Connection } from './connection.ts';
import { encodeFailure, encodeReply } from './json-envelope.ts';
import { payloadTooLarge } from './nats-errors.ts';
import type { NatsTransportStats } from './stats.ts';
import type { CallerTime, WaitingReplies } from './waiting-replies.ts';

const encoder = new TextEncoder();

export class JsonReplyPort implements ReplyPort {
  readonly #connection: Connection;
  readonly #stats: NatsTransportStats;
  readonly #waiting: WaitingReplies;
  readonly #replyTo: string;

  constructor(connection: Connection, stats: NatsTransportStats, waiting: WaitingReplies, replyTo: string) {
    this.#connection = connection;
    this.#stats = stats;
    this.#waiting = waiting;
    this.#replyTo = replyTo;
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { maxPayload } = this.#connection;
    let size = payload.length;
    if (size <= maxPayload) {
      const bytes = encoder.encode(encodeReply(payload, isRaw));
      if (bytes.length <= maxPayload) {
        this.#publish(entry, bytes);
        return;
      }
      size = bytes.length;
    }
    this.fail(entry, payloadTooLarge(`reply to ${describe(entry.type)}`, size, maxPayload, 'executed'));
  }

  fail(caller: CallerTime, error: Failure): void {
    const bytes = encoder.encode(encodeFailure(error));
    const { maxPayload } = this.#connection;
    const isShort = bytes.length <= maxPayload;
    this.#publish(caller, isShort ? bytes : encoder.encode(encodeFailure(shortError(error))));
  }

  #publish(caller: CallerTime, bytes: Uint8Array): void {
    if (!this.#connection.isConnected) {
      const { ttlMs, receivedAtMs } = caller;
      this.#waiting.hold(caller, bytes.length, () => {
        this.#publish({ ttlMs, receivedAtMs }, bytes);
      });
      return;
    }
    try {
      this.#connection.publish(this.#replyTo, bytes, undefined);
    } catch {
      this.#stats.lostReplies++;
    }
  }
}
