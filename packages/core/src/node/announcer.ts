/** Tells clients that this node has taken shards: in one word for many, and only so that they ask. */
import type { Clock } from '../base/clock.ts';
import type { NodeAddress, Transport } from '../wire/transport.ts';

/**
 * From the first shard to the word about all of them. The other nodes hear of a shard at about the same time as this one
 * serves it, and a client may ask any of them.
 */
const ANNOUNCE_MS = 50;

export class NodeAnnouncer {
  readonly #transport: Transport;
  readonly #clock: Clock;
  #self: NodeAddress | undefined;
  #cancelTimer: (() => void) | undefined;
  #isClosed = false;

  constructor(transport: Transport, clock: Clock) {
    this.#transport = transport;
    this.#clock = clock;
  }

  /** `self` serves a shard that it did not before. */
  announceSoon(self: NodeAddress): void {
    this.#self = self;
    if (this.#isClosed || this.#cancelTimer !== undefined) return;
    this.#cancelTimer = this.#clock.timer(() => {
      this.#cancelTimer = undefined;
      this.#transport.announce(this.#self!);
    }, ANNOUNCE_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer?.();
  }
}
