/** A logger that keeps its records for tests. */
import type { Logger } from '@clstr/core';

export interface LogRecord {
  readonly level: keyof Logger;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string | undefined;
}

export interface RecordedLogger extends Logger {
  readonly lines: LogRecord[];
}

export function recordLog(): RecordedLogger {
  const lines: LogRecord[] = [];
  const keep =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines.push({ level, fields: { ...fields }, message });
    };
  return { lines, debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
}
