/**
 * The JSON wire at a client: one message per entry, always to the shard subject, answered by Go nodes too. Only the
 * question for the topology has a subject of its own, on which no Go node listens.
 */
import type { ClstrError } from '@clstr/core';
import { isTopologyAddress } from '@clstr/core/wire';
import { describe } from '@clstr/core/internal';
import type { Msg } from 'nats';
import type { ClientWire, Outgoing, WireHost } from './client-wire.ts';
import { encodeEnvelope, parseReply } from './json-envelope.ts';
import { payloadTooLarge } from './nats-errors.ts';
import { subjectOf } from './subjects.ts';

const encoder = new TextEncoder();

export class JsonClientWire implements ClientWire {
  readonly #host: WireHost;

  constructor(host: WireHost) {
    this.#host = host;
  }

  send(turn: readonly Outgoing[]): void {
    for (const outgoing of turn) if (!outgoing.isEnded) this.#publish(outgoing);
  }

  read(message: Msg): void {
    const { pending, inbox, stats } = this.#host;
    const attempt = Number(message.subject.slice(inbox.length + 1));
    let reply;
    try {
      reply = parseReply(message.data);
    } catch (error) {
      stats.malformed++;
      const outgoing = pending.remove(attempt);
      if (outgoing === undefined) return;
      this.#host.ended(outgoing);
      outgoing.sink.onError(error as ClstrError);
      return;
    }
    const outgoing = pending.answer(attempt, undefined);
    if (outgoing === undefined) return;
    this.#host.ended(outgoing);
    outgoing.sink.onReply({ ...reply, from: undefined });
  }

  /** The wire has no cancel: the node sees the caller's deadline pass. */
  cancel(): void {}

  #publish(outgoing: Outgoing): void {
    const { connection, options, inbox } = this.#host;
    const { entry, to } = outgoing;
    const token = String(outgoing.attempt);
    const replySubject = `${inbox}.${token}`;
    const { maxPayload } = connection;
    if (entry.payload.length > maxPayload) {
      this.#tooLarge(outgoing, entry.payload.length, maxPayload);
      return;
    }
    const text = encodeEnvelope(entry, entry.isNotify ? undefined : replySubject, options.clock.wallMs());
    const bytes = encoder.encode(text);
    if (bytes.length > maxPayload) {
      this.#tooLarge(outgoing, bytes.length, maxPayload);
      return;
    }
    let subject: string;
    try {
      subject = subjectOf(options.subjectPrefix, isTopologyAddress(to) ? to : { shard: entry.shard });
      // Also the NATS reply subject: it brings the 503 of a shard that nobody serves, and refusals of a notify.
      connection.publish(subject, bytes, replySubject);
    } catch (error) {
      this.#host.failed(outgoing, error as ClstrError);
      return;
    }
    this.#host.sent({ token, subject, entries: [outgoing], open: 1 });
  }

  #tooLarge(outgoing: Outgoing, bytes: number, maxPayload: number): void {
    const what = `message ${describe(outgoing.entry.type)}`;
    this.#host.failed(outgoing, payloadTooLarge(what, bytes, maxPayload, 'not-executed'));
  }
}
