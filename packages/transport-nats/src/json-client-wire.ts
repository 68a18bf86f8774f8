/**
 * The JSON wire at a client: one message per entry, to the shard subject, which Go nodes answer too. Only the question for
 * the topology and messages to a node itself go to other subjects, on which no Go node listens.
 */
import type { ClstrError } from '@clstr/core';
import { NO_SHARD } from '@clstr/core';
import type { BusMessage, ClientWire, Outgoing, WireHost } from '@clstr/core/wire';
import { isTopologyAddress, payloadTooLarge } from '@clstr/core/wire';
import { describe, subjectOf } from '@clstr/core/internal';
import { encodeEnvelope, parseReply } from './json-envelope.ts';

const encoder = new TextEncoder();

export class JsonClientWire implements ClientWire {
  readonly #host: WireHost;

  constructor(host: WireHost) {
    this.#host = host;
  }

  send(turn: readonly Outgoing[]): void {
    for (const outgoing of turn) if (!outgoing.isEnded) this.#publish(outgoing);
  }

  read(message: BusMessage): void {
    const { pending, engine } = this.#host;
    const attempt = this.#host.tokenOf(message.subject);
    let reply;
    try {
      reply = parseReply(message.data);
    } catch (error) {
      engine.stats.malformed++;
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
    const { engine, inbox } = this.#host;
    const { bus, clock, prefix } = engine;
    const { entry, to } = outgoing;
    if (entry.payload.length > bus.maxPayload) {
      this.#tooLarge(outgoing, entry.payload.length);
      return;
    }
    const replyTo = entry.isNotify ? undefined : `${inbox}.${outgoing.id.toString(36)}`;
    const bytes = encoder.encode(encodeEnvelope(entry, replyTo, clock.wallMs()));
    if (bytes.length > bus.maxPayload) {
      this.#tooLarge(outgoing, bytes.length);
      return;
    }
    let subject: string;
    try {
      const isForNode = entry.shard === NO_SHARD || isTopologyAddress(to);
      subject = subjectOf(prefix, isForNode ? to : { shard: entry.shard });
    } catch (error) {
      this.#host.failed(outgoing, error as ClstrError);
      return;
    }
    // The NATS reply subject, with the same token, brings the 503 of an unserved shard, and refusals of a notify.
    this.#host.publish(subject, bytes, outgoing.id, [outgoing]);
  }

  #tooLarge(outgoing: Outgoing, bytes: number): void {
    const what = `message ${describe(outgoing.entry.type)}`;
    this.#host.failed(outgoing, payloadTooLarge(this.#host.engine.bus, what, bytes, 'not-executed'));
  }
}
