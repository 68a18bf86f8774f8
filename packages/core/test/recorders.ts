/** Metrics and a logger that keep what they are told. */
import type { Logger } from '../src/base/logger.ts';
import type { Metrics } from '../src/base/metrics.ts';

/** Each call as `[method, ...arguments]`. */
export interface RecordedMetrics extends Metrics {
  readonly calls: unknown[][];
}

export function recordMetrics(): RecordedMetrics {
  const calls: unknown[][] = [];
  const keep =
    (name: keyof Metrics) =>
    (...args: unknown[]): void => {
      calls.push([name, ...args]);
    };
  return {
    calls,
    requestEnded: keep('requestEnded'),
    notifyEnded: keep('notifyEnded'),
    transportError: keep('transportError'),
    handlerEnded: keep('handlerEnded'),
    handlersActive: keep('handlersActive'),
    shardsOwned: keep('shardsOwned'),
  };
}

export interface LogLine {
  readonly level: keyof Logger;
  readonly fields: Record<string, unknown>;
  readonly message: string | undefined;
}

export interface RecordedLogger extends Logger {
  readonly lines: LogLine[];
}

export function recordLog(): RecordedLogger {
  const lines: LogLine[] = [];
  const keep =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines.push({ level, fields: { ...fields }, message });
    };
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}
