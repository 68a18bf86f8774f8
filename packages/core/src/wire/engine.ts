/** What the parts of one transport share: links, served addresses, and the replies between them. */
import type { Clock } from '../base/clock.ts';
import type { FloodLog } from '../base/flood-log.ts';
import type { Logger } from '../base/logger.ts';
import type { Bus } from './bus.ts';
import type { TransportStats } from './stats.ts';

export interface Engine {
  readonly bus: Bus;
  /** First part of all subjects but those of inboxes: the bus's, or that of a service on it. */
  readonly prefix: string;
  /** Calls `work` when this turn has ended. */
  readonly defer: (work: () => void) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For lines that any message may cause. */
  readonly floodLog: Pick<FloodLog, 'error'>;
  readonly stats: TransportStats;
  /** How many messages, and how many replies, may wait for the connection. */
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
}
