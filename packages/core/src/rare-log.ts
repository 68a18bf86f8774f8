/**
 * Logs a condition that repeats: the first time at once, then after pauses that double, each time with a count.
 * It sets no timer, so a count waits for the next occurrence or for {@link RareLog.over}.
 */
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

export interface RareLog {
  /** `kind` tells conditions apart. A change of kind is logged at once, so leave out what varies, such as a port. */
  warn(kind: string, fields: object, message: string): void;
  error(kind: string, fields: object, message: string): void;
  /** The condition has ended: its next occurrence is logged at once. Returns how often it occurred, 0 for never. */
  over(kind: string): number;
}

const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 600_000;
/** Further kinds share one entry, whose lines still carry their own message. */
const MAX_KINDS = 64;
const OTHER = 'other';

export function createRareLog(logger: Logger, clock: Clock): RareLog {
  const conditions = new Map<string, Condition>();
  const log = (level: 'warn' | 'error', kind: string, fields: object, message: string): void => {
    const nowMs = clock.monoMs();
    const name = conditions.has(kind) || conditions.size < MAX_KINDS ? kind : OTHER;
    let condition = conditions.get(name);
    if (condition === undefined) {
      condition = { times: 0, unsaid: 0, saidMs: 0, pauseMs: 0 };
      conditions.set(name, condition);
    }
    condition.times++;
    const silentMs = nowMs - condition.saidMs;
    if (silentMs < condition.pauseMs) {
      condition.unsaid++;
      return;
    }
    const { unsaid, pauseMs } = condition;
    condition.unsaid = 0;
    condition.saidMs = nowMs;
    condition.pauseMs = pauseMs === 0 ? FIRST_PAUSE_MS : Math.min(2 * pauseMs, MAX_PAUSE_MS);
    if (unsaid === 0) logger[level](fields, message);
    else {
      const times = unsaid + 1;
      logger[level]({ ...fields, times }, `${message} (${times} times in ${Math.round(silentMs / 1_000)} s)`);
    }
  };
  return {
    warn: (kind, fields, message) => {
      log('warn', kind, fields, message);
    },
    error: (kind, fields, message) => {
      log('error', kind, fields, message);
    },
    over: (kind) => {
      const times = conditions.get(kind)?.times ?? 0;
      conditions.delete(kind);
      return times;
    },
  };
}

/** One kind that has occurred and is not over. */
interface Condition {
  times: number;
  /** Occurrences since the last line. */
  unsaid: number;
  saidMs: number;
  /** How long after the last line nothing is logged. */
  pauseMs: number;
}
