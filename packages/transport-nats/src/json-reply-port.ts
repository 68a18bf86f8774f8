/** The way back for one envelope of the JSON wire: one message per reply. */
import type { InboundEntry, ReplyPort, ReplyRoutes } from '@clstr/core/wire';
import type { Failure } from '@clstr/core/handler';
import { payloadTooLarge, shortError } from '@clstr/core/wire';
import { countBatch, describe } from '@clstr/core/internal';
import type { CallerTime } from '@clstr/core/internal';
import { encodeFailure, encodeReply } from './json-envelope.ts';

const encoder = new TextEncoder();

export class JsonReplyPort implements ReplyPort {
  readonly #routes: ReplyRoutes;
  readonly #replyTo: string;

  constructor(routes: ReplyRoutes, replyTo: string) {
    this.#routes = routes;
    this.#replyTo = replyTo;
  }

  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void {
    const { bus } = this.#routes.engine;
    const { maxPayload } = bus;
    let size = payload.length;
    if (size <= maxPayload) {
      const bytes = encoder.encode(encodeReply(payload, isRaw));
      if (bytes.length <= maxPayload) {
        this.#publish(entry, bytes);
        return;
      }
      size = bytes.length;
    }
    this.fail(entry, payloadTooLarge(bus, `reply to ${describe(entry.type)}`, size, 'executed'));
  }

  fail(caller: CallerTime, error: Failure): void {
    const bytes = encoder.encode(encodeFailure(error));
    const isShort = bytes.length <= this.#routes.engine.bus.maxPayload;
    this.#publish(caller, isShort ? bytes : encoder.encode(encodeFailure(shortError(error))));
  }

  #publish(caller: CallerTime, bytes: Uint8Array): void {
    const { engine, port, waiting } = this.#routes;
    if (!engine.bus.isConnected) {
      const { ttlMs, receivedAtMs } = caller;
      waiting.hold(caller, bytes.length, () => {
        this.#publish({ ttlMs, receivedAtMs }, bytes);
      });
      return;
    }
    try {
      port.publish(this.#replyTo, bytes, undefined, 1);
      countBatch(engine.stats, 1);
    } catch {
      engine.stats.lostReplies++;
    }
  }
}
