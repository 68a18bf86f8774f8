/** The way back for one envelope of the JSON wire: one message per reply. */
import type { ClstrError, InboundEntry, ReplyPort } from '@clstr/core';
import { describe, shortError } from '@clstr/core';
import type { Connection } from './connection.ts';
import { encodeFailure, encodeReply } from './json-envelope.ts';
import { payloadTooLarge } from './nats-errors.ts';
import type { NatsTransportStats } from './stats.ts';

const encoder = new TextEncoder();

export class JsonReplyPort implements ReplyPort {
  readonly #connection: Connection;
  readonly #stats: NatsTransportStats;
  readonly #replyTo: string;

  constructor(connection: Connection, stats: NatsTransportStats, replyTo: string) {
    this.#connection = connection;
    this.#stats = stats;
    this.#replyTo = replyTo;
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { maxPayload } = this.#connection;
    let size = payload.length;
    if (size <= maxPayload) {
      const bytes = encoder.encode(encodeReply(payload, isRaw));
      if (bytes.length <= maxPayload) {
        this.#publish(bytes);
        return;
      }
      size = bytes.length;
    }
    this.refuse(payloadTooLarge(`reply to ${describe(entry.type)}`, size, maxPayload, 'executed'));
  }

  fail(_entry: InboundEntry, error: ClstrError): void {
    this.refuse(error);
  }

  refuse(error: ClstrError): void {
    const bytes = encoder.encode(encodeFailure(error));
    const { maxPayload } = this.#connection;
    this.#publish(bytes.length <= maxPayload ? bytes : encoder.encode(encodeFailure(shortError(error))));
  }

  #publish(bytes: Uint8Array): void {
    if (!this.#connection.isConnected) {
      this.#stats.lostReplies++;
      return;
    }
    try {
      this.#connection.publish(this.#replyTo, bytes, undefined);
    } catch {
      this.#stats.lostReplies++;
    }
  }
}
