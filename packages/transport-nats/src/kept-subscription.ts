/** A subscription that outlives the connections of the NATS client: made again on each, until it ends. */
import type { ClstrError } from '@clstr/core';
import type { Msg, NatsConnection, NatsError, Subscription as NatsSubscription } from 'nats';

export interface SubscriptionListener {
  /** Must not throw. */
  onMessage(message: Msg): void;
  /** The server refused it or took it away; it is not made again. Must not throw. */
  onEnded(error: ClstrError): void;
}

/** What its owner may do with it. */
export interface ConnectionSubscription {
  unsubscribe(): void;
  /** Resolves when what was on its way has been handed on. */
  drain(): Promise<void>;
}

export class KeptSubscription implements ConnectionSubscription {
  readonly subject: string;
  readonly #queue: string | undefined;
  readonly #callback: (error: NatsError | null, message: Msg) => void;
  readonly #listener: SubscriptionListener;
  readonly #forget: (subscription: KeptSubscription) => void;
  #current: NatsSubscription | undefined;

  constructor(
    subject: string,
    queue: string | undefined,
    listener: SubscriptionListener,
    onRefused: (subscription: KeptSubscription, error: NatsError) => void,
    forget: (subscription: KeptSubscription) => void,
  ) {
    this.subject = subject;
    this.#queue = queue;
    this.#listener = listener;
    this.#forget = forget;
    this.#callback = (error, message) => {
      if (error === null) listener.onMessage(message);
      else onRefused(this, error);
    };
  }

  attach(nats: NatsConnection): void {
    const callback = this.#callback;
    const options = this.#queue === undefined ? { callback } : { callback, queue: this.#queue };
    this.#current = nats.subscribe(this.subject, options);
  }

  /** Leaves the server, to be attached again. */
  detach(): void {
    this.#current?.unsubscribe();
    this.#current = undefined;
  }

  end(error: ClstrError): void {
    this.#current = undefined;
    this.#listener.onEnded(error);
  }

  unsubscribe(): void {
    this.#forget(this);
    this.detach();
  }

  async drain(): Promise<void> {
    this.#forget(this);
    await this.#current?.drain();
  }
}
