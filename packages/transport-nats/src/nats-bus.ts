/** NATS as a bus: what the engine needs, on one connection. */
import type { ClstrError, ConnectionEvent, ConnectionState } from '@clstr/core';
import type { Bus, BusListener, BusPort, BusSubscription } from '@clstr/core/wire';
import { randomId, systemRandom } from '@clstr/core/internal';
import type { Msg } from 'nats';
import type { Connection } from './connection.ts';
import type { SubscriptionListener } from './kept-subscription.ts';

/** The queue in which nodes share the questions for the topology. */
export const NODES_QUEUE = 'nodes';

export class NatsBus implements Bus, BusPort {
  readonly label = 'NATS';
  readonly limitedBy = 'that the NATS server carries';
  readonly prefix: string;
  readonly inboxPrefixes: readonly string[];
  /**
   * In smaller batches the cost of a message outweighs its entries; with larger ones the two ends wait for each other
   * instead of working at the same time (measured with 1,024 in flight and 64-byte payloads: 195 k/s unbounded, 215 k/s
   * at 64 KiB, 265 k/s from 16 to 32 KiB, 238 k/s at 4 KiB).
   */
  readonly batchBytes = 24_576;
  readonly batchEntries: number = Infinity;
  readonly #connection: Connection;

  constructor(connection: Connection, prefix: string, inboxPrefixes: readonly string[]) {
    this.#connection = connection;
    this.prefix = prefix;
    this.inboxPrefixes = inboxPrefixes;
  }

  get maxPayload(): number {
    return this.#connection.maxPayload;
  }

  get state(): ConnectionState {
    return this.#connection.state;
  }

  get isConnected(): boolean {
    return this.#connection.isConnected;
  }

  /** NATS does not need the sender. */
  open(): BusPort {
    return this;
  }

  inboxOf(): string {
    return `${this.inboxPrefixes[0]!}.${randomId(systemRandom, 22)}`;
  }

  /** If there is no subscriber, the server says so in a message to the reply subject. */
  publish(subject: string, bytes: Uint8Array, reply: string | undefined): boolean {
    this.#connection.publish(subject, bytes, reply);
    return true;
  }

  subscribe(subject: string, listener: BusListener, isShared = false): BusSubscription {
    const connection = this.#connection;
    const queue = isShared ? NODES_QUEUE : undefined;
    const subscription = connection.subscribe(subject, listenerOf(listener), queue);
    const unsubscribe = async (): Promise<void> => {
      subscription.unsubscribe();
      if (connection.isConnected) await connection.confirmWithin();
    };
    return {
      unsubscribe,
      ready: async () => {
        while (!(await connection.confirm())) await connection.untilConnected();
      },
      drain: () => (connection.isConnected ? connection.within(subscription.drain()) : unsubscribe()),
    };
  }

  onState(listener: (event: ConnectionEvent) => void): () => void {
    return this.#connection.onState(listener);
  }

  onDenied(listener: (subject: string, error: ClstrError) => void): () => void {
    return this.#connection.onDeniedPublish(listener);
  }

  close(startedMs: number): Promise<void> {
    return this.#connection.close(startedMs);
  }
}

function listenerOf(listener: BusListener): SubscriptionListener {
  return {
    onMessage(message: Msg) {
      const isUndelivered = message.data.length === 0 && message.headers?.code === 503;
      if (isUndelivered && listener.onUndelivered !== undefined) listener.onUndelivered(message.subject);
      else listener.onMessage(message);
    },
    onEnded: (error) => listener.onEnded(error),
  };
}
