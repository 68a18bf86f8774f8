/** The transport over a memory bus: the engine of core within one process, with the same frames as over a network. */
import type { ClstrError, ConnectionEvent, ConnectionState, Transport } from '@clstr/core';
import type { Bus, BusListener, BusPort, BusSubscription } from '@clstr/core/wire';
import { framedTransport } from '@clstr/core/wire';
import type { Resolved, Spec } from '@clstr/core/internal';
import { methods, orMade, resolve } from '@clstr/core/internal';
import { createMemoryBus } from './memory-bus.ts';
import type { Endpoint, MemoryBus } from './memory-bus.ts';

export interface MemoryTransportOptions {
  /** Default: a new bus, on which its clients and nodes reach each other. */
  bus?: MemoryBus | undefined;
}

export const memoryTransportSpec: Spec<Resolved<MemoryTransportOptions>> = {
  bus: orMade(methods(['enqueue', 'listenersOn', 'transmit']), createMemoryBus),
};

/** @throws INVALID_OPTION */
export function memoryTransport(options: MemoryTransportOptions = {}): Transport {
  const { bus } = resolve('memoryTransport', memoryTransportSpec, options);
  return framedTransport(new MemoryConnection(bus), {
    name: 'memory',
    clock: bus.clock,
    floodLog: {
      // Throws an uncaught error, because no code here could handle it.
      error(_event, { err }: { err?: ClstrError }) {
        bus.clock.macrotask(() => {
          throw err!;
        });
        return true;
      },
    },
  });
}

const PREFIX = 'memory';
const INBOXES = 'client';

/** The connection of one transport to the bus. */
class MemoryConnection implements Bus {
  readonly label = 'memory';
  readonly limitedBy = 'of the memory bus (maxPayload)';
  readonly prefix = PREFIX;
  readonly inboxPrefixes: readonly string[] = [INBOXES];
  readonly maxPayload: number;
  /** A frame that outgrows the slab of its writer would be copied at every entry. */
  readonly batchBytes = 16_384;
  /**
   * Entries of one frame share its buffer and its piece of work on the bus (measured with actors, 1,024 in flight and
   * 64-byte payloads: 1.5 times the throughput of a frame per entry; 16 and 32 are slower, 64 to 256 alike).
   */
  readonly batchEntries = 128;
  state: ConnectionState = 'connected';
  isConnected = true;
  readonly #bus: MemoryBus;
  readonly #listeners = new Set<(event: ConnectionEvent) => void>();

  constructor(bus: MemoryBus) {
    this.#bus = bus;
    this.maxPayload = bus.maxPayload;
  }

  open(self: string): BusPort {
    return new MemoryPort(this.#bus, nameOf(self));
  }

  inboxOf(clientId: number): string {
    return `${INBOXES}.${clientId}`;
  }

  /** Runs `work` after everything that is already on its way, in the same microtask. */
  defer(work: () => void): void {
    this.#bus.enqueue({ weight: 1, run: work });
  }

  onState(listener: (event: ConnectionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Messages that were ready have left after the first turn on the bus, and have arrived after the second. */
  async flush(): Promise<void> {
    for (let turns = 0; turns < 2; turns++) await new Promise<void>((resolve) => this.defer(resolve));
  }

  close(): Promise<void> {
    this.state = 'closed';
    this.isConnected = false;
    for (const listener of [...this.#listeners]) listener({ state: 'closed', server: undefined });
    return Promise.resolve();
  }
}

class MemoryPort implements BusPort {
  readonly #bus: MemoryBus;
  readonly #name: string;

  constructor(bus: MemoryBus, name: string) {
    this.#bus = bus;
    this.#name = name;
  }

  publish(subject: string, data: Uint8Array, reply: string | undefined, count: number): boolean {
    const endpoints = this.#bus.listenersOn(placeOf(subject));
    if (endpoints.size === 0) return false;
    const message = { data, subject, reply };
    for (const endpoint of endpoints) this.#bus.transmit(this.#name, endpoint, message, count);
    return true;
  }

  subscribe(subject: string, listener: BusListener, isShared = false): BusSubscription {
    const bus = this.#bus;
    const place = placeOf(subject);
    const endpoint: Endpoint = {
      name: this.#name,
      isShared,
      deliver: (message) => listener.onMessage(message),
    };
    bus.add(place, endpoint);
    const leave = (): Promise<void> => {
      bus.remove(place, endpoint);
      return Promise.resolve();
    };
    return { ready: () => Promise.resolve(), unsubscribe: leave, drain: leave };
  }
}

/** A client listens on all subjects below its inbox. */
function placeOf(subject: string): string {
  return subject.startsWith('client.') ? subject.slice(0, subject.lastIndexOf('.')) : subject;
}

/** Its name in packets: `client:<id>` or `node:<nodeId>.<inc>`. */
function nameOf(self: string): string {
  return self.replace(/^memory\./, '').replace('.', ':');
}
