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

  /** A signal ended the app, or its start. */
  get isSignalled(): boolean {
    return this.#signal !== undefined;
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

  /** Resolves when what was opened after the end is closed too: a start may be under way when a signal arrives. */
  async closeRest(): Promise<void> {
    try {
      await this.close();
    } finally {
      await this.#runSteps();
    }
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
      this.#logger.error({ event: 'app.close_failed', err, signal }, `closing the app on ${signal} failed`);
      process.exitCode = 1;
    });
  };

  async #close(): Promise<void> {
    this.#begun.abort();
    try {
      await this.#runSteps();
    } finally {
      for (const signal of this.#signals) offSignal(signal, this.#onSignal);
      this.#resolveClosed();
    }
  }

  /** Also those that are added meanwhile. */
  async #runSteps(): Promise<void> {
    const failures: unknown[] = [];
    for (let step = this.#steps.shift(); step !== undefined; step = this.#steps.shift()) {
      try {
        await step();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
