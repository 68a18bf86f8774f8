/** The default logger of an app: one line per event on stderr, with the stack of an error below it. */
import { Console } from 'node:console';
import process from 'node:process';
import { inspect } from 'node:util';
import type { Clock, Logger } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { clockOption, oneOf, printable, resolve } from '@clstr/core/internal';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface StderrLoggerOptions {
  /** The lowest level that is written. Default `warn`. */
  level?: LogLevel | undefined;
  /** The clock for the time of each line. */
  clock?: Clock | undefined;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
export const stderrLoggerSpec: Spec<Resolved<StderrLoggerOptions>> = {
  level: oneOf(LEVELS, 'warn', `one of ${LEVELS.join(', ')}`),
  clock: clockOption,
};
const ignore = (): void => undefined;

/**
 * Writes lines such as `2026-01-02T03:04:05.678Z WARN message nodeId=a shard=7`, followed by the error in the field
 * `err`.
 *
 * @throws INVALID_OPTION
 */
export function stderrLogger(options: StderrLoggerOptions = {}): Logger {
  const { level, clock } = resolve('stderrLogger', stderrLoggerSpec, options);
  // Console instead of process.stderr.write(): a closed pipe must not end the process.
  const output = new Console(process.stderr);
  const writer = (of: LogLevel): Logger[LogLevel] => {
    if (LEVELS.indexOf(of) < LEVELS.indexOf(level)) return ignore;
    return (fields, message) => {
      output.error(textOf(new Date(clock.wallMs()), of, fields as Record<string, unknown>, message));
    };
  };
  return { debug: writer('debug'), info: writer('info'), warn: writer('warn'), error: writer('error') };
}

function textOf(time: Date, level: LogLevel, fields: Record<string, unknown>, message = ''): string {
  const { err, ...rest } = fields;
  const parts = [time.toISOString(), level.toUpperCase(), printable(message)];
  for (const [name, value] of Object.entries(rest)) {
    if (value !== undefined) parts.push(`${name}=${valueText(value)}`);
  }
  const line = parts.filter((part) => part !== '').join(' ');
  return err === undefined ? line : `${line}\n${errorText(err)}`;
}

function valueText(value: unknown): string {
  if (typeof value === 'string') return BARE.test(value) ? value : printable(JSON.stringify(value));
  return printable(shown(value).replace(/\n\s*/g, ' '));
}

const BARE = /^[\w.:/@-]+$/;

/** The text of an error, indented so that none of its lines looks like an event. */
function errorText(err: unknown): string {
  return shown(err)
    .split('\n')
    .map((line) => `    ${printable(line)}`)
    .join('\n');
}

/** Survives any thrown value, even one whose getters throw. */
function shown(value: unknown): string {
  try {
    return inspect(value, { depth: 4, breakLength: 120 });
  } catch {
    return 'an error that cannot be shown';
  }
}
