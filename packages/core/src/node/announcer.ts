/** Announces to clients that this node has taken shards: one message for many, which only makes them ask. */
import type { Clock } from '../base/clock.ts';
import type { NodeAddress, Transport } from '../wire/transport.ts';

/**
 * The time from the first shard to the announcement of all. The other nodes learn about a shard at about the same time as
 * this one serves it, and a client may ask any of them.
 */
const ANNOUNCE_MS = 50;

export interface Announcer {
  /** `self` serves a shard that it did not before. */
  announceSoon(self: NodeAddress): void;
  close(): void;
}

export function createAnnouncer(transport: Transport, clock: Clock): Announcer {
  let newest: NodeAddress | undefined;
  let cancelTimer: (() => void) | undefined;
  let isClosed = false;
  return {
    announceSoon(self) {
      newest = self;
      if (isClosed) return;
      cancelTimer ??= clock.timer(() => {
        cancelTimer = undefined;
        transport.announce(newest!);
      }, ANNOUNCE_MS);
    },
    close() {
      isClosed = true;
      cancelTimer?.();
    },
  };
}
