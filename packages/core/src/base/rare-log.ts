/**
 * Logs a condition that repeats: the first time at once, then after pauses that double, each time with a count.
 * It sets no timer, so a count waits for the next occurrence or for {@link RareLog.over}.
 */
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

export interface RareLog {
  /**
   * `kind` tells conditions apart: it must not contain what varies, such as a port. Returns whether a line was written.
   */
  warn(kind: string, fields: object, message: string): boolean;
  error(kind: string, fields: object, message: string): boolean;
  /** The condition has ended: its next occurrence is logged at once. Returns how often it occurred, 0 for never. */
  over(kind: string): number;
}

const FIRST_PAUSE_MS = 10_000;
const MAX_PAUSE_MS = 600_000;
/** A condition that has not occurred for this long has ended. */
const QUIET_MS = 60_000;
/** Further kinds share one entry, whose lines still carry their own message. */
const MAX_KINDS = 64;
const OTHER = 'other';

export function createRareLog(logger: Logger, clock: Clock): RareLog {
  const conditions = new Map<string, Condition>();
  const log = (level: 'warn' | 'error', kind: string, fields: object, message: string): boolean => {
    const nowMs = clock.monoMs();
    const name = conditions.has(kind) || conditions.size < MAX_KINDS ? kind : OTHER;
    let condition = conditions.get(name);
    if (condition === undefined) {
      condition = { times: 0, unsaid: 0, lastMs: nowMs, saidMs: 0, pauseMs: 0 };
      conditions.set(name, condition);
    }
    if (nowMs - condition.lastMs >= QUIET_MS) condition.pauseMs = 0;
    condition.times++;
    condition.lastMs = nowMs;
    const silentMs = nowMs - condition.saidMs;
    if (silentMs < condition.pauseMs) {
      condition.unsaid++;
      return false;
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
    return true;
  };
  return {
    warn: (kind, fields, message) => log('warn', kind, fields, message),
    error: (kind, fields, message) => log('error', kind, fields, message),
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
  lastMs: number;
  /** When the last line was written. */
  saidMs: number;
  /** How long after the last line nothing is logged. */
  pauseMs: number;
}
