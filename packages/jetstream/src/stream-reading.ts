/**
 * Reads a part of a stream through a consumer that lives for this one reading: from a sequence on, or the newest message of
 * each subject. It ends when its listener has what it wants, or when the server has nothing more.
 */
import type { Clock } from '@clstr/core';
import { isPlainSubject, randomId, systemRandom } from '@clstr/core/internal';
import { checkConsumerName, placeOf } from '@clstr/transport-nats/internal';
import type { Connection, Msg, NatsLink } from '@clstr/transport-nats/internal';
import { NOTHING, ask } from './api.ts';
import { readFailed, readTooSlow, storeDown } from './errors.ts';
import type { Requests } from './requests.ts';

export interface ReadingParts {
  readonly link: NatsLink;
  readonly requests: Requests;
  readonly clock: Clock;
}

export interface ReadingRange {
  readonly stream: string;
  readonly filter: string;
  /** A sequence, or `newest` for the newest message of each subject. */
  readonly from: number | 'newest';
}

/** Returns whether it has all that it wants. What it throws ends the reading. */
export type OnMessage = (message: Msg, sequence: number) => boolean;

/** Resolves when `onMessage` has returned true or the server has sent all. @throws TIMEOUT, CONNECTION_LOST, STORE_REFUSED */
export async function readStream(
  parts: ReadingParts,
  range: ReadingRange,
  timeoutMs: number,
  onMessage: OnMessage,
): Promise<void> {
  const reading = new StreamReading(parts, range, onMessage);
  try {
    await reading.run(timeoutMs);
  } finally {
    reading.close();
  }
}

/** The shortest that the server allows: how soon the end of what it has is known, where no message is the last. */
const IDLE_MS = 100;
const NANOS_PER_MS = 1_000_000;
const FORGET_MS = 2_000;

class StreamReading {
  readonly #parts: ReadingParts;
  readonly #range: ReadingRange;
  readonly #onMessage: OnMessage;
  readonly #endings: (() => void)[] = [];
  #end: (error?: Error) => void = () => undefined;
  #name: string | undefined;
  /** The server numbers the messages of a consumer from 1. */
  #received = 0;

  constructor(parts: ReadingParts, range: ReadingRange, onMessage: OnMessage) {
    this.#parts = parts;
    this.#range = range;
    this.#onMessage = onMessage;
  }

  async run(timeoutMs: number): Promise<void> {
    const { link, clock } = this.#parts;
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = (error) => {
        if (error === undefined) resolve();
        else reject(error);
      };
    });
    // It may fail while the consumer is being made.
    ended.catch(() => undefined);
    const deliverSubject = `${link.inboxPrefix}.${randomId(systemRandom, 22)}`;
    const subscription = link.connection.subscribe(deliverSubject, {
      onMessage: (message) => {
        this.#receive(message);
      },
      onEnded: (error) => {
        this.#end(error);
      },
    });
    this.#endings.push(
      () => {
        subscription.unsubscribe();
      },
      link.connection.onState(({ state }) => {
        if (state !== 'connected') this.#end(storeDown());
      }),
      clock.timer(() => {
        this.#end(readTooSlow(this.#range.stream, timeoutMs));
      }, timeoutMs),
    );
    await this.#consume(deliverSubject, timeoutMs);
    await ended;
  }

  close(): void {
    for (const end of this.#endings.splice(0)) end();
    const { requests } = this.#parts;
    if (this.#name === undefined || !requests.isConnected) return;
    // Without a listener it would end by itself, only later.
    ask(requests, `CONSUMER.DELETE.${this.#range.stream}.${this.#name}`, undefined, FORGET_MS).catch(
      () => undefined,
    );
  }

  async #consume(deliverSubject: string, timeoutMs: number): Promise<void> {
    const { stream, filter, from } = this.#range;
    const config = {
      deliver_subject: deliverSubject,
      ...(from === 'newest'
        ? { deliver_policy: 'last_per_subject' }
        : { deliver_policy: 'by_start_sequence', opt_start_seq: from }),
      filter_subject: filter,
      ack_policy: 'none',
      replay_policy: 'instant',
      max_deliver: 1,
      mem_storage: true,
      num_replicas: 1,
      idle_heartbeat: IDLE_MS * NANOS_PER_MS,
      flow_control: true,
    };
    const body = { stream_name: stream, config };
    const method = `CONSUMER.CREATE.${stream}`;
    const made = await ask<ConsumerInfo>(this.#parts.requests, method, body, timeoutMs);
    this.#name = checkConsumerName(made?.name);
    if (made?.num_pending === 0 && made.delivered?.consumer_seq === 0) this.#end();
  }

  #receive(message: Msg): void {
    // Messages of the server itself have nothing but headers, and none of them has a place.
    const place = placeOf(message.reply);
    if (place !== undefined) this.#take(message, place);
    else if (message.headers?.code === 100) this.#onControl(message.headers, message.reply);
    else this.#end(readFailed(this.#range.stream, message.headers?.status ?? 'a message has no place'));
  }

  #take(message: Msg, place: { revision: number; consumerSequence: number }): void {
    if (place.consumerSequence !== this.#received + 1) {
      this.#end(readFailed(this.#range.stream, 'a message was lost on its way'));
      return;
    }
    this.#received++;
    try {
      if (this.#onMessage(message, place.revision)) this.#end();
    } catch (error) {
      this.#end(error as Error);
    }
  }

  /** A heartbeat means that the server has sent all it has; flow control needs an answer, or the server stops sending. */
  #onControl(headers: NonNullable<Msg['headers']>, reply = ''): void {
    const last = headers.get('Nats-Last-Consumer');
    const stalled = headers.get('Nats-Consumer-Stalled');
    for (const subject of [reply, stalled]) this.#tell(subject);
    if (last === '') return;
    if (Number(last) !== this.#received) {
      this.#end(readFailed(this.#range.stream, 'a message was lost on its way'));
    } else if (stalled === '') this.#end();
  }

  #tell(subject: string): void {
    const { connection }: { connection: Connection } = this.#parts.link;
    if (!subject.startsWith(`$JS.FC.${this.#range.stream}.`) || !isPlainSubject(subject)) return;
    try {
      connection.publish(subject, NOTHING, undefined);
    } catch (error) {
      this.#end(error as Error);
    }
  }
}

interface ConsumerInfo {
  readonly name?: unknown;
  readonly num_pending?: number;
  readonly delivered?: { readonly consumer_seq?: number };
}
