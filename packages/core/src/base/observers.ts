/** Makes the metrics and logger of a user safe: an error that they throw must not reach the calls they watch. */
import { printable } from './describe.ts';
import type { Logger } from './logger.ts';
import { silentLogger } from './logger.ts';
import type { Metrics } from './metrics.ts';
import { noMetrics } from './metrics.ts';
import { redacted, redactedFields } from './redact.ts';
import { methods, option } from './spec.ts';
import type { Option } from './spec.ts';

const METRICS_METHODS = [
  'requestEnded',
  'notifyEnded',
  'transportError',
  'handlerEnded',
  'handlersActive',
  'shardsOwned',
] as const satisfies readonly (keyof Metrics)[];

const anyLogger = methods<Logger>(['debug', 'info', 'warn', 'error']);

export const loggerOption: Option<Logger> = option(
  (owner, name, value) => safeLogger(anyLogger.check(owner, name, value)),
  silentLogger,
);

/** Not safe yet: {@link safeMetrics} needs the logger, which is another option. */
export const metricsOption: Option<Metrics> = methods(METRICS_METHODS, noMetrics);

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

/** Returns `noMetrics` unchanged, as hot paths compare it by identity. */
export function safeMetrics(metrics: Metrics, logger: Logger): Metrics {
  if (metrics === noMetrics) return metrics;
  const safe = Object.create(null) as Record<keyof Metrics, (...values: unknown[]) => void>;
  for (const name of METRICS_METHODS) {
    safe[name] = (...values) => {
      try {
        (metrics[name] as (...values: unknown[]) => void)(...values);
      } catch (err) {
        logger.error({ event: 'metrics.threw', err }, `metrics.${name}() threw`);
      }
    };
  }
  return safe;
}
