/** The transport over a memory bus: the same frames as over a network, in one process. */
import type { ConnectionEvent, ConnectionState, Transport } from '@clstr/core';
import type {
  Address,
  ClientLink,
  EntryReceiver,
  LinkOptions,
  NodeAddress,
  Subscription,
} from '@clstr/core/wire';
import { ClstrError } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { detached, methods, orMade, resolve } from '@clstr/core/internal';
import { createMemoryBus } from './memory-bus.ts';
import type { Endpoint, MemoryBus } from './memory-bus.ts';
import { MemoryLink } from './memory-link.ts';
import { MemoryReplies } from './memory-replies.ts';
import { MemoryServer, nameOf } from './memory-server.ts';

export interface MemoryTransportOptions {
  /** Default: a new bus of its own, on which its clients and nodes reach each other. */
  bus?: MemoryBus | undefined;
}

export const memoryTransportSpec: Spec<Resolved<MemoryTransportOptions>> = {
  bus: orMade(methods(['enqueue', 'serversOf', 'transmit']), createMemoryBus),
};

/** @throws INVALID_OPTION */
export function memoryTransport(options: MemoryTransportOptions = {}): Transport {
  return new MemoryTransport(resolve('memoryTransport', memoryTransportSpec, options).bus);
}

class MemoryTransport implements Transport {
  readonly name = 'memory';
  readonly #bus: MemoryBus;
  readonly #replies: MemoryReplies;
  readonly #links = new Set<MemoryLink>();
  readonly #subscriptions = new Set<Subscription>();
  readonly #listeners = new Set<(event: ConnectionEvent) => void>();
  #closing: Promise<void> | undefined;

  constructor(bus: MemoryBus) {
    this.#bus = bus;
    this.#replies = new MemoryReplies(bus);
  }

  get state(): ConnectionState {
    return this.#closing === undefined ? 'connected' : 'closed';
  }

  openLink({ clientId }: LinkOptions): ClientLink {
    this.#checkOpen();
    const link = new MemoryLink(this.#bus, clientId, () => this.#links.delete(link));
    this.#links.add(link);
    return link;
  }

  serve(address: Address, receiver: EntryReceiver, self: NodeAddress): Promise<Subscription> {
    try {
      this.#checkOpen();
    } catch (error) {
      return Promise.reject(error);
    }
    const server = new MemoryServer(this.#bus.clock, this.#replies, receiver, self);
    this.#bus.addServer(address, server);
    const subscription: Subscription = {
      // This bus takes no subscription away.
      ended: new Promise(() => undefined),
      close: () => {
        this.#bus.removeServer(address, server);
        this.#subscriptions.delete(subscription);
        return Promise.resolve();
      },
    };
    this.#subscriptions.add(subscription);
    return Promise.resolve(subscription);
  }

  announce(self: NodeAddress): void {
    if (this.#closing !== undefined) return;
    const from: Endpoint = { name: nameOf(self), self, deliver() {} };
    for (const listener of this.#bus.listeners) this.#bus.transmit(from, listener, NO_BYTES, 1);
  }

  onConnection(listener: (event: ConnectionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    for (const subscription of [...this.#subscriptions]) await subscription.close();
    this.#replies.flush();
    // What was handed over before has its turn on the bus before this.
    await new Promise<void>((resolve) => {
      this.#bus.enqueue({ weight: 1, run: resolve });
    });
    for (const link of [...this.#links]) link.fail();
    for (const listener of this.#listeners) detached(listener, { state: 'closed', server: undefined });
  }

  #checkOpen(): void {
    if (this.#closing !== undefined)
      throw new ClstrError('TRANSPORT_CLOSED', 'this memory transport is closed');
  }
}

const NO_BYTES = new Uint8Array(0);
