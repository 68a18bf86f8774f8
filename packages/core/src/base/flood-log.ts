/**
 * Logs what any message from outside can cause: the first lines of each kind in a second, then one line that counts the
 * rest. A single message of 1 MB can hold 70,000 entries.
 */
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';

const LINES_PER_SECOND = 10;
const SECOND_MS = 1_000;

export class FloodLog {
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #kinds = new Map<string, Kind>();

  constructor(logger: Logger, clock: Clock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Lines with the same `event` count as one kind. Returns whether a line was written. */
  warn(event: string, fields: object, message: string): boolean {
    return this.#log('warn', event, fields, message);
  }

  error(event: string, fields: object, message: string): boolean {
    return this.#log('error', event, fields, message);
  }

  #log(level: 'warn' | 'error', event: string, fields: object, message: string): boolean {
    let kind = this.#kinds.get(event);
    if (kind === undefined) this.#kinds.set(event, (kind = { sinceMs: -Infinity, lines: 0, unsaid: 0 }));
    const nowMs = this.#clock.monoMs();
    if (kind.unsaid === 0 && nowMs - kind.sinceMs >= SECOND_MS) {
      kind.sinceMs = nowMs;
      kind.lines = 0;
    }
    if (kind.lines < LINES_PER_SECOND) {
      kind.lines++;
      this.#logger[level]({ event, ...fields }, message);
      return true;
    }
    if (kind.unsaid++ === 0) this.#countLater(level, event, kind, nowMs);
    return false;
  }

  #countLater(level: 'warn' | 'error', event: string, kind: Kind, nowMs: number): void {
    this.#clock.timer(
      () => {
        const { unsaid } = kind;
        kind.unsaid = 0;
        this.#logger[level]({ event, times: unsaid }, `${event}: ${unsaid} more times in one second`);
      },
      Math.max(0, kind.sinceMs + SECOND_MS - nowMs),
    );
  }
}

/** The lines of one kind in the second that began at `sinceMs`. */
interface Kind {
  sinceMs: number;
  lines: number;
  unsaid: number;
}
