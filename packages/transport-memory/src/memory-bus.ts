/** The bus itself: the listeners of each subject, and the order in which packets arrive. */
import type { Clock } from '@clstr/core';
import type { BusMessage } from '@clstr/core/wire';
import type { Resolved, Spec } from '@clstr/core/internal';
import { callback, clockOption, integer, optional, resolve } from '@clstr/core/internal';
import type { NetworkPolicy, Packet } from './network-policy.ts';

export interface MemoryBusOptions {
  /** Largest message, in bytes of its frame. Default 1 MiB. */
  maxPayload?: number | undefined;
  /** Default: every packet arrives once, at once, in order. */
  policy?: NetworkPolicy | undefined;
  clock?: Clock | undefined;
}

/** A listener on a subject. */
export interface Endpoint {
  /** The name in {@link Packet.to}. */
  readonly name: string;
  /** Whether each message to the subject goes to one of its endpoints, in turn. */
  readonly isShared: boolean;
  deliver(message: BusMessage): void;
}

/** Transports on one bus reach each other, in one process. */
export interface MemoryBus {
  readonly maxPayload: number;
  readonly clock: Clock;
  /** For `memoryTransport`: runs `work` in order with all other work of the bus, in a later microtask. */
  enqueue(work: BusWork): void;
  /** For `memoryTransport`: all current listeners on `subject`, or one of them if they share it. */
  listenersOn(subject: string): ReadonlySet<Endpoint>;
  add(subject: string, endpoint: Endpoint): void;
  remove(subject: string, endpoint: Endpoint): void;
  /** Hands a message of `count` entries to an endpoint as the policy says. `from` is as {@link Packet.from}. */
  transmit(from: string, to: Endpoint, message: BusMessage, count: number): void;
}

export interface BusWork {
  /** Its share of the work between two yields, in entries: at most what a frame holds. */
  readonly weight: number;
  run(): void;
}

export const memoryBusSpec: Spec<Resolved<MemoryBusOptions, 'policy'>> = {
  maxPayload: integer(64, 0x7fff_ffff, 1_048_576),
  policy: optional(callback()),
  clock: clockOption,
};

/** @throws INVALID_OPTION */
export function createMemoryBus(options: MemoryBusOptions = {}): MemoryBus {
  const { maxPayload, clock, policy } = resolve('createMemoryBus', memoryBusSpec, options);
  return new QueuedBus(maxPayload, clock, policy);
}

/** How many entries the bus handles before timers and I/O get a turn. */
const WEIGHT_PER_YIELD = 256;
const NOBODY: ReadonlySet<Endpoint> = new Set();

class QueuedBus implements MemoryBus {
  readonly maxPayload: number;
  readonly clock: Clock;
  readonly #policy: NetworkPolicy | undefined;
  readonly #endpoints = new Map<string, Set<Endpoint>>();
  /** Work of this round, and of the next: two arrays that swap, so that neither keeps growing under load. */
  #current: BusWork[] = [];
  #next = 0;
  #incoming: BusWork[] = [];
  #isScheduled = false;
  #doneSinceYield = 0;
  #questions = 0;

  constructor(maxPayload: number, clock: Clock, policy: NetworkPolicy | undefined) {
    this.maxPayload = maxPayload;
    this.clock = clock;
    this.#policy = policy;
  }

  enqueue(work: BusWork): void {
    this.#incoming.push(work);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#work);
  }

  listenersOn(subject: string): ReadonlySet<Endpoint> {
    const endpoints = this.#endpoints.get(subject) ?? NOBODY;
    for (const { isShared } of endpoints) return isShared ? this.#oneOf(endpoints) : endpoints;
    return NOBODY;
  }

  add(subject: string, endpoint: Endpoint): void {
    const endpoints = this.#endpoints.get(subject);
    if (endpoints === undefined) this.#endpoints.set(subject, new Set([endpoint]));
    else endpoints.add(endpoint);
  }

  remove(subject: string, endpoint: Endpoint): void {
    const endpoints = this.#endpoints.get(subject);
    endpoints?.delete(endpoint);
    if (endpoints?.size === 0) this.#endpoints.delete(subject);
  }

  transmit(from: string, to: Endpoint, message: BusMessage, count: number): void {
    // A bus without a policy makes no packet.
    const policy = this.#policy;
    const delays =
      policy === undefined ? AT_ONCE : this.#delaysBy(policy, { from, to: to.name, bytes: message.data });
    for (const delayMs of delays) {
      const delivery: BusWork = {
        weight: count,
        run() {
          to.deliver(message);
        },
      };
      if (delayMs <= 0) this.enqueue(delivery);
      else
        this.clock.timer(() => {
          this.enqueue(delivery);
        }, delayMs);
    }
  }

  /** A packet is lost when the policy throws, and its sender must not notice. */
  #delaysBy(policy: NetworkPolicy, packet: Packet): readonly number[] {
    try {
      return policy(packet);
    } catch (error) {
      this.#surface(error);
      return NEVER;
    }
  }

  /** Picks each in its turn, as a queue group would. */
  #oneOf(endpoints: ReadonlySet<Endpoint>): ReadonlySet<Endpoint> {
    return new Set([[...endpoints][this.#questions++ % endpoints.size]!]);
  }

  /** Microtasks keep a lone message fast; a macrotask now and then keeps timers from starving. */
  readonly #work = (): void => {
    for (;;) {
      if (this.#next === this.#current.length) {
        if (this.#incoming.length === 0) {
          this.#isScheduled = false;
          return;
        }
        this.#current = this.#incoming;
        this.#incoming = [];
        this.#next = 0;
      }
      const work = this.#current[this.#next]!;
      this.#doneSinceYield += work.weight;
      if (this.#doneSinceYield > WEIGHT_PER_YIELD) {
        this.#doneSinceYield = 0;
        this.clock.macrotask(this.#work);
        return;
      }
      this.#next++;
      this.#run(work);
    }
  };

  /** Work that throws must not stop the bus. */
  #run(work: BusWork): void {
    try {
      work.run();
    } catch (error) {
      this.#surface(error);
    }
  }

  /** Throws an uncaught error, because no code here could handle it. */
  #surface(error: unknown): void {
    this.clock.macrotask(() => {
      throw error;
    });
  }
}

const AT_ONCE: readonly number[] = [0];
const NEVER: readonly number[] = [];
