/**
 * Requests to JetStream on the connection of the transport. All answers arrive at one subscription, and one wheel holds
 * all deadlines: a request makes no timer and no subscription, because thousands are on their way at once.
 */
import type { Clock } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import { Deadline, DeadlineWheel, randomId, systemRandom } from '@clstr/core/internal';
import type { Connection, Msg, NatsLink } from '@clstr/transport-nats/internal';
import { storeDown } from './errors.ts';

export interface RequestMessage {
  readonly subject: string;
  readonly bytes: Uint8Array;
  /** Its headers, as they travel. */
  readonly head?: Uint8Array | undefined;
  readonly timeoutMs: number;
}

export class Requests {
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #wheel: DeadlineWheel<Request>;
  readonly #inbox: string;
  /** Those that wait for their answer, by the last token of its subject. */
  readonly #waiting = new Map<string, Request>();
  readonly #endings: (() => void)[] = [];
  #sent = 0;
  /** Why no answer can arrive any more. */
  #refusal: ClstrError | undefined;

  /** @throws TRANSPORT_CLOSED */
  constructor({ connection, inboxPrefix }: NatsLink, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
    this.#wheel = new DeadlineWheel<Request>(clock);
    this.#inbox = `${inboxPrefix}.${randomId(systemRandom, 22)}.`;
    const subscription = connection.subscribe(`${this.#inbox}*`, {
      onMessage: (message) => {
        this.#onMessage(message);
      },
      onEnded: (error) => {
        this.#end(error);
      },
    });
    this.#endings.push(
      () => {
        subscription.unsubscribe();
      },
      connection.onState(({ state }) => {
        if (state !== 'connected') this.#failAll(storeDown());
      }),
      connection.onDeniedPublish((subject, error) => {
        for (const request of this.#waiting.values()) if (request.subject === subject) request.fail(error);
      }),
    );
  }

  get isConnected(): boolean {
    return this.#refusal === undefined && this.#connection.isConnected;
  }

  /** Resolves with the answer. @throws TIMEOUT, CONNECTION_LOST, NO_SUBSCRIBER, NO_PERMISSION, PAYLOAD_TOO_LARGE */
  send(message: RequestMessage): Promise<Msg> {
    return new Promise((resolve, reject) => {
      const request = new Request(this.#waiting, this.#wheel, message, resolve, reject);
      if (this.isConnected) this.#publish(request, message);
      else reject(this.#refusal ?? storeDown());
    });
  }

  /** Idempotent; what waits fails. */
  close(): void {
    this.#end(storeDown());
  }

  #publish(request: Request, { subject, bytes, head, timeoutMs }: RequestMessage): void {
    request.token = (++this.#sent).toString(36);
    request.deadlineMs = this.#clock.monoMs() + timeoutMs;
    this.#waiting.set(request.token, request);
    this.#wheel.add(request);
    const reply = this.#inbox + request.token;
    try {
      if (head === undefined) this.#connection.publish(subject, bytes, reply);
      else this.#connection.publishWithHead(subject, bytes, reply, head);
    } catch (error) {
      request.fail(error as ClstrError);
    }
  }

  #onMessage(message: Msg): void {
    const request = this.#waiting.get(message.subject.slice(this.#inbox.length));
    if (request === undefined) return;
    if (message.data.length > 0 || message.headers?.code !== 503) request.answer(message);
    else request.fail(new ClstrError('NO_SUBSCRIBER', `nothing listens at ${request.subject}`));
  }

  #end(error: ClstrError): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = error;
    for (const end of this.#endings.splice(0)) end();
    this.#failAll(error);
  }

  #failAll(error: ClstrError): void {
    for (const request of [...this.#waiting.values()]) request.fail(error);
  }
}

/** A class, because it waits on a hot path: an object literal would keep its whole scope alive. */
class Request extends Deadline {
  readonly subject: string;
  token = '';
  readonly #waiting: Map<string, Request>;
  readonly #wheel: DeadlineWheel<Request>;
  readonly #resolve: (message: Msg) => void;
  readonly #reject: (error: ClstrError) => void;

  constructor(
    waiting: Map<string, Request>,
    wheel: DeadlineWheel<Request>,
    { subject }: RequestMessage,
    resolve: (message: Msg) => void,
    reject: (error: ClstrError) => void,
  ) {
    super();
    this.subject = subject;
    this.#waiting = waiting;
    this.#wheel = wheel;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answer(message: Msg): void {
    this.#forget();
    this.#resolve(message);
  }

  fail(error: ClstrError): void {
    this.#forget();
    this.#reject(error);
  }

  onDeadline(): void {
    this.fail(new ClstrError('TIMEOUT', `JetStream did not answer a request to ${this.subject} in time`));
  }

  #forget(): void {
    this.#waiting.delete(this.token);
    this.#wheel.remove(this);
  }
}
