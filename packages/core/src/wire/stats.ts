/** Counts what a transport sent, and what it dropped without a sender to report it to. */
import type { WatchedTransport } from '../base/watched.ts';

export interface TransportStats {
  /** Messages, or entries of one, that could not be read. */
  malformed: number;
  /** Messages dropped because their reply subject matches none of `inboxPrefixes`. */
  forbiddenReplySubjects: number;
  /** Native messages of another version of the wire. */
  unsupportedVersions: number;
  /** Replies that did not leave: the connection was down for longer than their callers waited, or too many waited. */
  lostReplies: number;
  /** Messages of the bus that were sent, each with one or more entries. */
  batches: number;
  /** The entries in them. */
  entries: number;
  /** How many batches had 1 entry, 2 entries, at most 4, at most 8, and so on. */
  readonly batchSizes: number[];
}

export function createStats(): TransportStats {
  return {
    malformed: 0,
    forbiddenReplySubjects: 0,
    unsupportedVersions: 0,
    lostReplies: 0,
    batches: 0,
    entries: 0,
    batchSizes: new Array<number>(SIZES).fill(0),
  };
}

/** Counts one batch that was sent. */
export function countBatch(stats: TransportStats, entries: number): void {
  stats.batches++;
  stats.entries += entries;
  stats.batchSizes[Math.min(32 - Math.clz32(entries - 1), SIZES - 1)]!++;
}

/** The counts of a transport, and its state, for metrics. */
export function watchedTransport(
  transport: Pick<WatchedTransport, 'name' | 'state'>,
  stats: TransportStats,
): WatchedTransport {
  return {
    name: transport.name,
    get state() {
      return transport.state;
    },
    get lostReplies() {
      return stats.lostReplies;
    },
    get batches() {
      return stats.batches;
    },
    get entries() {
      return stats.entries;
    },
    get batchSizes() {
      return stats.batchSizes;
    },
  };
}

/** Up to 1,024 entries in a batch, as the buses of this project have them, and more. */
const SIZES = 12;
