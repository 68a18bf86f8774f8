/** A logger that keeps what it is told. */
import type { Logger } from '@clstr/core';

export interface LogRecord {
  readonly level: keyof Logger;
  readonly fields: object;
  readonly message: string | undefined;
}

export function recordingLogger(): { logger: Logger; records: LogRecord[] } {
  const records: LogRecord[] = [];
  const record =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      records.push({ level, fields, message });
    };
  const logger = {
    debug: record('debug'),
    info: record('info'),
    warn: record('warn'),
    error: record('error'),
  };
  return { logger, records };
}
