/** The end of an app, by a call or a signal: it closes the parts once, in the reverse order of their start. */
import process from 'node:process';
import { ClstrError } from '@clstr/core';
import type { Logger } from '@clstr/core';
import { offSignal, onSignal } from './signals.ts';

export class Ending {
  readonly #logger: Logger;
  readonly #steps: (() => unknown)[] = [];
  readonly #begun = new AbortController();
  #signals: readonly NodeJS.Signals[] = [];
  #closing: Promise<void> | undefined;
  #resolveClosed!: () => void;
  /** Resolves when everything is closed, even if a step failed. */
  readonly closed: Promise<void> = new Promise((resolve) => (this.#resolveClosed = resolve));
  /** The signal that ended the app, if one did. */
  #signal: NodeJS.Signals | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Fires when the end begins. */
  get begun(): AbortSignal {
    return this.#begun.signal;
  }

  add(step: () => unknown): void {
    this.#steps.unshift(step);
  }

  /** Further signals have no effect until everything is closed: with npm, one Ctrl-C may arrive twice. */
  listen(signals: readonly NodeJS.Signals[]): void {
    this.#signals = signals;
    for (const signal of signals) onSignal(signal, this.#onSignal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** @throws ABORTED when a signal ended the app while it was starting. */
  throwIfSignalled(): void {
    if (this.#signal === undefined) return;
    const message = `createApp: ${this.#signal} arrived while the app was starting`;
    throw new ClstrError('ABORTED', message, { outcome: 'not-executed' });
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    this.#signal ??= signal;
    this.close().catch((err: unknown) => {
      this.#logger.error({ err, signal }, `closing the app on ${signal} failed`);
      process.exitCode = 1;
    });
  };

  async #close(): Promise<void> {
    const failures: unknown[] = [];
    this.#begun.abort();
    for (const step of this.#steps) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    for (const signal of this.#signals) offSignal(signal, this.#onSignal);
    this.#resolveClosed();
    if (failures.length > 0) throw failures[0];
  }
}
