/** A logger that keeps its records for tests. */
import type { Logger } from '@clstr/core';

export interface LogRecord {
  readonly level: keyof Logger;
  readonly fields: object;
  readonly message: string | undefined;
}

export function recordLogs(records: LogRecord[]): Logger {
  const record =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      records.push({ level, fields, message });
    };
  return { debug: record('debug'), info: record('info'), warn: record('warn'), error: record('error') };
}
