/** Logs that a connection is lost, still down, and back: once each, and rarely when it happens often. */
import type { ClstrError, Clock, Logger } from '@clstr/core';
import { createRareLog } from '@clstr/core/internal';
import type { RareLog } from '@clstr/core/internal';

/** The next line counts losses that follow sooner. */
const LOG_PAUSE_MS = 10_000;

export class OutageLog {
  readonly #label: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #rareLog: RareLog;
  readonly #isQuiet: boolean;
  #lostMs = 0;
  #loggedMs = Number.NEGATIVE_INFINITY;
  #isLossLogged = false;
  #silentLosses = 0;
  /** Why dials have failed since the loss. */
  readonly #failures = new Set<string>();

  /** `isQuiet` logs losses and returns at level debug. */
  constructor(label: string, clock: Clock, logger: Logger, isQuiet: boolean) {
    this.#label = label;
    this.#clock = clock;
    this.#logger = logger;
    this.#rareLog = createRareLog(logger, clock);
    this.#isQuiet = isQuiet;
  }

  lost(server: string, reason: string): void {
    const nowMs = this.#clock.monoMs();
    this.#lostMs = nowMs;
    this.#isLossLogged = nowMs - this.#loggedMs >= LOG_PAUSE_MS;
    if (!this.#isLossLogged) {
      this.#silentLosses++;
      return;
    }
    this.#loggedMs = nowMs;
    const more = this.#silentLosses === 0 ? '' : ` (and ${this.#silentLosses} times before)`;
    this.#silentLosses = 0;
    const level = this.#isQuiet ? 'debug' : 'warn';
    this.#logger[level](
      { event: 'connection.lost', server, reason },
      `${this.#label} to ${server} was lost: ${reason}${more}`,
    );
  }

  dialFailed(err: ClstrError): void {
    const kind = err.message.replaceAll(/\d+/g, '#');
    this.#failures.add(kind);
    this.#rareLog.warn(
      kind,
      { event: 'connection.still_down', err },
      `${this.#label} is still down: ${err.message}`,
    );
  }

  back(server: string): void {
    const downMs = Math.round(this.#clock.monoMs() - this.#lostMs);
    const failures = [...this.#failures].reduce((sum, kind) => sum + this.#rareLog.over(kind), 0);
    this.#failures.clear();
    if (!this.#isLossLogged) return;
    const level = this.#isQuiet ? 'debug' : 'info';
    this.#logger[level](
      { event: 'connection.back', server, downMs, failures },
      `${this.#label} is back after ${downMs} ms, to ${server}`,
    );
  }
}
