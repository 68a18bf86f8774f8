/** Fetches the replies of a shard from its former owner, part by part, within a limit of time. */
import type { Clock } from '../base/clock.ts';
import type { FormerOwner } from '../cluster/shards.ts';
import { decodePayload, jsonCodec } from '../wire/codec.ts';
import { REPLIES_TYPE } from '../wire/envelope.ts';
import type { InboundReply, NodeAddress, OutboundEntry, ReplySink } from '../wire/transport.ts';
import { decodePart } from './carried-replies.ts';
import type { CarriedPart, CarriedReply } from './carried-replies.ts';

/** Sends questions from node to node. */
export interface Asker {
  send(to: NodeAddress, make: (attempt: number) => OutboundEntry & ReplySink): number;
  forget(attempt: number): void;
}

export interface Carried {
  readonly replies: readonly CarriedReply[];
  /** The former owner has known all keys of the shard since then. */
  readonly completeSinceMs: number;
}

/** How long the former owner may take to answer; an answer that is lost is asked for again. */
const ANSWER_MS = 500;
const MOST_FAILURES = 3;
/** Longer than all parts of a full shard take. */
const LIMIT_MS = 5_000;

export class ReplyCarrier {
  readonly #clock: Clock;
  readonly #asker: Asker;

  constructor(clock: Clock, asker: Asker) {
    this.#clock = clock;
    this.#asker = asker;
  }

  /** Calls `onEnd` once, with undefined if the former owner does not give everything away in time. */
  fetch(shard: number, former: FormerOwner, onEnd: (carried: Carried | undefined) => void): void {
    const limitMs = this.#clock.monoMs() + LIMIT_MS;
    const replies: CarriedReply[] = [];
    let failures = 0;
    const ask = (from: number): void => {
      const payload = jsonCodec.encode({ secret: former.secret, from });
      let isOver = false;
      const onAnswer = (part: CarriedPart | undefined): void => {
        if (isOver) return;
        isOver = true;
        cancelTimer();
        const nowMs = this.#clock.monoMs();
        if (part === undefined) {
          if (++failures < MOST_FAILURES && nowMs < limitMs) ask(from);
          else onEnd(undefined);
          return;
        }
        replies.push(...part.replies);
        if (part.next === undefined) onEnd({ replies, completeSinceMs: nowMs - part.completeForMs });
        else if (part.next > from && nowMs < limitMs) ask(part.next);
        else onEnd(undefined);
      };
      const make = (attempt: number) => new PartQuestion(attempt, shard, payload, onAnswer);
      const attempt = this.#asker.send(former.address, make);
      const cancelTimer = this.#clock.timer(() => {
        this.#asker.forget(attempt);
        onAnswer(undefined);
      }, ANSWER_MS);
    };
    ask(0);
  }
}

class PartQuestion implements OutboundEntry, ReplySink {
  readonly isNotify = false;
  readonly type = REPLIES_TYPE;
  readonly key = undefined;
  readonly headers = undefined;
  readonly isRaw = false;
  readonly attempt: number;
  readonly shard: number;
  readonly payload: string | Uint8Array;
  readonly #onAnswer: (part: CarriedPart | undefined) => void;

  constructor(
    attempt: number,
    shard: number,
    payload: string | Uint8Array,
    onAnswer: (part: CarriedPart | undefined) => void,
  ) {
    this.attempt = attempt;
    this.shard = shard;
    this.payload = payload;
    this.#onAnswer = onAnswer;
  }

  remainingMs(): number {
    return ANSWER_MS;
  }

  onSent(): void {
    /* an answer follows, or the time runs out */
  }

  onReply({ error, payload, isRaw }: InboundReply): void {
    let part: CarriedPart | undefined;
    try {
      if (error === undefined) part = decodePart(decodePayload(jsonCodec, payload, isRaw));
    } catch {
      // A node of this cluster does not answer so.
    }
    this.#onAnswer(part);
  }

  onError(): void {
    this.#onAnswer(undefined);
  }
}
