/**
 * Finds out which subscriptions the server took. It refuses one beyond a limit with an error that names no subject, so
 * after such an error this subscribes again to all that were not confirmed before, in the end one by one.
 */
import type { NatsConnection, NatsError } from 'nats';
import type { KeptSubscription } from './kept-subscription.ts';
import { lastProtocolError } from './nats-internals.ts';

/** `count` is how many subscriptions the server took before it refused this one. */
export type RefusedListener = (subscription: KeptSubscription, cause: NatsError, count: number) => void;

/** How many subscriptions are renewed together; a refusal among them costs a round trip for each. */
const TOGETHER = 64;

export class SubscriptionCheck {
  readonly #nats: NatsConnection;
  readonly #onRefused: RefusedListener;
  /** Subscriptions that are not confirmed yet. */
  readonly #open = new Set<KeptSubscription>();
  #accepted = 0;
  #isRechecking = false;
  /** Allows one flush at a time; otherwise an error could belong to two of them. */
  #turn: Promise<boolean> = Promise.resolve(true);

  constructor(nats: NatsConnection, onRefused: RefusedListener) {
    this.#nats = nats;
    this.#onRefused = onRefused;
  }

  /** Throws what the NATS client throws. */
  add(subscription: KeptSubscription): void {
    if (!this.#isRechecking) subscription.attach(this.#nats);
    this.#open.add(subscription);
  }

  remove(subscription: KeptSubscription): void {
    if (!this.#open.delete(subscription)) this.#accepted--;
  }

  /** Resolves when the server has seen all earlier messages, to false if the connection was lost. Never rejects. */
  flush(): Promise<boolean> {
    this.#turn = this.#turn.then(() => this.#flush());
    return this.#turn;
  }

  async #flush(): Promise<boolean> {
    const asked = [...this.#open];
    try {
      const error = await this.#ask();
      if (error === undefined) for (const subscription of asked) this.#accept(subscription);
      else await this.#recheck(asked);
      return true;
    } catch {
      return false;
    }
  }

  /** Returns the error that the server sent before it answered. */
  async #ask(): Promise<NatsError | undefined> {
    const before = lastProtocolError(this.#nats);
    await this.#nats.flush();
    const error = lastProtocolError(this.#nats);
    return error === before ? undefined : error;
  }

  async #recheck(asked: readonly KeptSubscription[]): Promise<void> {
    this.#isRechecking = true;
    try {
      for (const subscription of asked) subscription.detach();
      await this.#ask();
      let refusal: NatsError | undefined;
      for (let start = 0; start < asked.length; start += TOGETHER) {
        refusal = await this.#retry(asked.slice(start, start + TOGETHER), refusal);
      }
    } finally {
      this.#isRechecking = false;
      // Attaches subscriptions that were added in the meantime.
      for (const subscription of this.#open) subscription.attach(this.#nats);
    }
  }

  /** After one refusal the rest counts as refused as well, because the limit is reached. */
  async #retry(
    some: readonly KeptSubscription[],
    refused: NatsError | undefined,
  ): Promise<NatsError | undefined> {
    let refusal = refused ?? (await this.#attach(some));
    if (refusal === undefined) return undefined;
    if (refused === undefined) {
      for (const subscription of some) subscription.detach();
      await this.#ask();
      refusal = undefined;
    }
    for (const subscription of some) {
      if (!this.#open.has(subscription)) continue;
      refusal ??= await this.#attach([subscription]);
      if (refusal !== undefined) this.#refuse(subscription, refusal);
    }
    return refusal;
  }

  async #attach(some: readonly KeptSubscription[]): Promise<NatsError | undefined> {
    const wanted = some.filter((subscription) => this.#open.has(subscription));
    for (const subscription of wanted) subscription.attach(this.#nats);
    const error = await this.#ask();
    if (error === undefined) for (const subscription of wanted) this.#accept(subscription);
    return error;
  }

  #accept(subscription: KeptSubscription): void {
    if (this.#open.delete(subscription)) this.#accepted++;
  }

  #refuse(subscription: KeptSubscription, cause: NatsError): void {
    subscription.detach();
    if (this.#open.delete(subscription)) this.#onRefused(subscription, cause, this.#accepted);
  }
}
