/** Makes the logger of a user safe: an error that it throws must not reach the calls that it watches. */
import { printable } from './describe.ts';
import type { Logger } from './logger.ts';
import { silentLogger } from './logger.ts';
import { redacted, redactedFields } from './redact.ts';
import { methods, option } from './spec.ts';
import type { Option } from './spec.ts';

const anyLogger = methods<Logger>(['debug', 'info', 'warn', 'error']);

export const loggerOption: Option<Logger> = option(
  (owner, name, value) => safeLogger(anyLogger.check(owner, name, value)),
  silentLogger,
);

/** Writes one printable line per call, whatever keys, types and texts of peers the message quotes, without secrets. */
export function safeLogger(logger: Logger): Logger {
  if (logger === silentLogger) return logger;
  const safe = (level: keyof Logger) => (fields: object, message?: string) => {
    try {
      logger[level](redactedFields(fields), message === undefined ? undefined : redacted(printable(message)));
    } catch {
      // There is nowhere left to report it.
    }
  };
  return { debug: safe('debug'), info: safe('info'), warn: safe('warn'), error: safe('error') };
}
