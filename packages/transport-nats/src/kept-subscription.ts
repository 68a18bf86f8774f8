/** A subscription that outlives the connections of the NATS client: it is renewed on each, until it ends. */
import type { ClstrError } from '@clstr/core';
import type { Msg, NatsConnection, NatsError, Subscription as NatsSubscription } from 'nats';

export interface SubscriptionListener {
  /** Must not throw. */
  onMessage(message: Msg): void;
  /** The server refused or ended the subscription, which is not renewed. Must not throw. */
  onEnded(error: ClstrError): void;
}

/** The subscription as its owner sees it. */
export interface ConnectionSubscription {
  unsubscribe(): void;
  /** Resolves when messages that were on their way have been handed on. */
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

  /** Unsubscribes from the server; `attach` may follow. */
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
