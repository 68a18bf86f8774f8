/** The bus itself: who serves which address, and the order in which packets arrive. */
import type { Address, Clock, NodeAddress } from '@clstr/core';
import {
  checkInteger,
  checkKnownOptions,
  checkMethods,
  checkOptionalFunction,
  isNodeAddress,
  systemClock,
} from '@clstr/core';
import type { NetworkPolicy, Packet } from './network-policy.ts';

export interface MemoryBusOptions {
  /** Largest message, in bytes of its frame. Default 1 MiB. */
  maxPayload?: number | undefined;
  /** Default: every packet arrives once, at once, in order. */
  policy?: NetworkPolicy | undefined;
  clock?: Clock | undefined;
}

/** Something packets can be delivered to. */
export interface Endpoint {
  /** As {@link Packet.from}. */
  readonly name: string;
  /** The run of the node this is; undefined for a client. */
  readonly self: NodeAddress | undefined;
  deliver(bytes: Uint8Array, from: Endpoint): void;
}

/** Transports on one bus reach each other, in one process. */
export interface MemoryBus {
  readonly maxPayload: number;
  readonly clock: Clock;
  /** For `memoryTransport`: does `work` in order with all other work of the bus, in a later microtask. */
  enqueue(work: BusWork): void;
  /** For `memoryTransport`: everybody who serves `address` now. */
  serversOf(address: Address): ReadonlySet<Endpoint>;
  addServer(address: Address, endpoint: Endpoint): void;
  removeServer(address: Address, endpoint: Endpoint): void;
  /** Hands bytes to an endpoint as the policy says. */
  transmit(from: Endpoint, to: Endpoint, bytes: Uint8Array): void;
}

export interface BusWork {
  run(): void;
}

/** @throws INVALID_OPTION */
export function createMemoryBus(options: MemoryBusOptions = {}): MemoryBus {
  checkKnownOptions('createMemoryBus', options, ['maxPayload', 'policy', 'clock']);
  const { policy, clock = systemClock, maxPayload = DEFAULT_MAX_PAYLOAD } = options;
  checkInteger('createMemoryBus', 'maxPayload', maxPayload, 64, 0x7fff_ffff);
  checkMethods('createMemoryBus', 'clock', clock, ['monoMs', 'wallMs', 'timer', 'macrotask']);
  checkOptionalFunction('createMemoryBus', 'policy', policy);
  return new QueuedBus(maxPayload, clock, policy);
}

const DEFAULT_MAX_PAYLOAD = 1_048_576;
/** Work done before timers and I/O get a turn. */
const WORK_PER_YIELD = 256;
const NOBODY: ReadonlySet<Endpoint> = new Set();

class QueuedBus implements MemoryBus {
  readonly maxPayload: number;
  readonly clock: Clock;
  readonly #policy: NetworkPolicy | undefined;
  readonly #servers = new Map<string | number, Set<Endpoint>>();
  /** Work of this round, and of the next: two arrays that swap, so that neither grows for ever under load. */
  #current: BusWork[] = [];
  #next = 0;
  #incoming: BusWork[] = [];
  #isScheduled = false;
  #doneSinceYield = 0;

  constructor(maxPayload: number, clock: Clock, policy: NetworkPolicy | undefined) {
    this.maxPayload = maxPayload;
    this.clock = clock;
    this.#policy = policy;
  }

  enqueue(work: BusWork): void {
    this.#incoming.push(work);
    if (!this.#isScheduled) this.#schedule();
  }

  serversOf(address: Address): ReadonlySet<Endpoint> {
    return this.#servers.get(keyOf(address)) ?? NOBODY;
  }

  addServer(address: Address, endpoint: Endpoint): void {
    const key = keyOf(address);
    const servers = this.#servers.get(key);
    if (servers === undefined) this.#servers.set(key, new Set([endpoint]));
    else servers.add(endpoint);
  }

  removeServer(address: Address, endpoint: Endpoint): void {
    const key = keyOf(address);
    const servers = this.#servers.get(key);
    servers?.delete(endpoint);
    if (servers?.size === 0) this.#servers.delete(key);
  }

  transmit(from: Endpoint, to: Endpoint, bytes: Uint8Array): void {
    // No packet is made for a bus without a policy.
    const policy = this.#policy;
    const delays =
      policy === undefined ? AT_ONCE : this.#delaysBy(policy, { from: from.name, to: to.name, bytes });
    for (const delayMs of delays) {
      const delivery: BusWork = {
        run() {
          to.deliver(bytes, from);
        },
      };
      if (delayMs <= 0) this.enqueue(delivery);
      else
        this.clock.timer(() => {
          this.enqueue(delivery);
        }, delayMs);
    }
  }

  /** A packet is lost when the policy throws: whoever sends it must not hear of that. */
  #delaysBy(policy: NetworkPolicy, packet: Packet): readonly number[] {
    try {
      return policy(packet);
    } catch (error) {
      this.#surface(error);
      return NEVER;
    }
  }

  /** Microtasks keep a lone message fast; a macrotask now and then keeps timers from starving. */
  #schedule(): void {
    this.#isScheduled = true;
    if (this.#doneSinceYield < WORK_PER_YIELD) {
      queueMicrotask(this.#work);
    } else {
      this.#doneSinceYield = 0;
      this.clock.macrotask(this.#work);
    }
  }

  readonly #work = (): void => {
    while (this.#doneSinceYield < WORK_PER_YIELD) {
      if (this.#next === this.#current.length) {
        if (this.#incoming.length === 0) {
          this.#isScheduled = false;
          return;
        }
        this.#current = this.#incoming;
        this.#incoming = [];
        this.#next = 0;
      }
      this.#doneSinceYield++;
      this.#run(this.#current[this.#next++]!);
    }
    this.#schedule();
  };

  /** What one piece of work throws must not stop the bus. */
  #run(work: BusWork): void {
    try {
      work.run();
    } catch (error) {
      this.#surface(error);
    }
  }

  /** As an uncaught error of its own: nobody here could handle it. */
  #surface(error: unknown): void {
    this.clock.macrotask(() => {
      throw error;
    });
  }
}

const AT_ONCE: readonly number[] = [0];
const NEVER: readonly number[] = [];

function keyOf(address: Address): string | number {
  return isNodeAddress(address) ? `${address.nodeId}.${address.inc}` : address.shard;
}
