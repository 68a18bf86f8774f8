/**
 * A store that logs what is wrong with it: a refusal at once, silence when it lasts, and the loss and return of the
 * connection. A problem that repeats is logged rarely.
 */
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { createRareLog } from '../base/rare-log.ts';
import type { RareLog } from '../base/rare-log.ts';
import type { CasOutcome, ClusterStore, StoreEntry, StoreListener, Watch } from './store.ts';
import { refusalOf } from './refusal.ts';

export interface ReportedStoreOptions {
  /** The user of the store, such as "node a". */
  readonly who: string;
  /** The fields of every line. */
  readonly fields: object;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ReportedStore implements ClusterStore {
  /** The user can do nothing until the store complies, and the log says so. */
  isAwaited = true;
  readonly #store: ClusterStore;
  readonly #options: ReportedStoreOptions;
  readonly #rare: RareLog;
  readonly #stopListening: () => void;
  /** When the first of the current run of unanswered attempts failed. */
  #silentSinceMs: number | undefined;
  #downSinceMs: number | undefined;
  #trouble: string | undefined;

  constructor(store: ClusterStore, options: ReportedStoreOptions) {
    this.#store = store;
    this.#options = options;
    this.#rare = createRareLog(options.logger, options.clock);
    this.#stopListening = store.onConnection((isConnected) => {
      this.#onConnection(isConnected);
    });
  }

  get isConnected(): boolean {
    return this.#store.isConnected;
  }

  /** What went wrong since the last acknowledged write, if anything. */
  get trouble(): string | undefined {
    return this.isConnected ? this.#trouble : `${this.#options.who} is not connected to the membership store`;
  }

  onConnection(listener: (isConnected: boolean) => void): () => void {
    return this.#store.onConnection(listener);
  }

  /** Returns the promise of the store itself, so that reporting delays nothing. */
  cas(record: string, revision: number, value: string | undefined, timeoutMs: number): Promise<CasOutcome> {
    const outcome = this.#store.cas(record, revision, value, timeoutMs);
    void outcome.then((known) => {
      if (known.kind === 'acked') this.#trouble = undefined;
      if (known.kind !== 'unknown') this.#onAnswer();
      else this.#onFailure(known.refusal, `write ${record}`);
    });
    return outcome;
  }

  read(record: string, timeoutMs: number): Promise<StoreEntry | undefined> {
    return this.#reported(this.#store.read(record, timeoutMs), `read ${record}`);
  }

  list(timeoutMs: number): Promise<readonly StoreEntry[]> {
    return this.#reported(this.#store.list(timeoutMs), 'list all keys');
  }

  watch(pattern: string, listener: StoreListener): Watch {
    return this.#store.watch(pattern, {
      onEntry: (entry) => {
        listener.onEntry(entry);
      },
      onGap: (reason) => {
        if (reason !== undefined) this.#onBrokenWatch(pattern, reason);
        listener.onGap(reason);
      },
    });
  }

  async close(): Promise<void> {
    this.stopReporting();
    await this.#store.close();
  }

  /** For a lent store, which stays open. */
  stopReporting(): void {
    this.#stopListening();
  }

  #reported<T>(answer: Promise<T>, doing: string): Promise<T> {
    answer.then(
      () => {
        this.#onAnswer();
      },
      (error: unknown) => {
        this.#onFailure(refusalOf(error), doing);
      },
    );
    return answer;
  }

  #onFailure(refusal: ClstrError | undefined, doing: string): void {
    if (refusal === undefined) this.#onSilence(doing);
    else {
      this.#onAnswer();
      const message = this.#noted(`refuses to ${doing}: ${refusal.message}`);
      this.#rare.warn(
        kindOf(refusal, doing),
        { event: 'store.refuses', ...this.#options.fields, err: refusal },
        message,
      );
    }
  }

  /** One missing answer means nothing; a connection that is down is in the log already. */
  #onSilence(doing: string): void {
    const { clock } = this.#options;
    const nowMs = clock.monoMs();
    this.#silentSinceMs ??= nowMs;
    const silentMs = Math.round(nowMs - this.#silentSinceMs);
    if (silentMs === 0 || (!this.isConnected && !this.isAwaited)) return;
    const state = this.isConnected ? 'does not answer' : 'is not connected';
    const message = this.#noted(`${state}: it was asked to ${doing}`);
    this.#rare.warn(SILENCE, { event: 'store.silent', ...this.#options.fields }, message);
  }

  #onAnswer(): void {
    if (this.#silentSinceMs === undefined) return;
    const silentMs = Math.round(this.#options.clock.monoMs() - this.#silentSinceMs);
    this.#silentSinceMs = undefined;
    if (this.#rare.over(SILENCE) === 0) return;
    const { who, fields, logger } = this.#options;
    logger.info(
      { event: 'store.answers', ...fields, silentMs },
      `the membership store answers ${who} again after ${silentMs} ms`,
    );
  }

  #onBrokenWatch(pattern: string, reason: ClstrError): void {
    const refusal = refusalOf(reason);
    if (refusal !== undefined) this.#onFailure(refusal, `watch ${pattern}`);
    else {
      const message = this.#noted(`broke off the watch of ${pattern}: ${reason.message}`);
      this.#rare.warn(
        kindOf(reason, 'watch'),
        { event: 'store.watch_broken', ...this.#options.fields, err: reason },
        message,
      );
    }
  }

  /** Keeps what is wrong, and returns the message that says it. */
  #noted(what: string): string {
    const { who } = this.#options;
    this.#trouble = `the membership store ${what}`;
    return this.isAwaited
      ? `${who} waits for the membership store, which ${what}`
      : `the membership store of ${who} ${what}`;
  }

  #onConnection(isConnected: boolean): void {
    const { who, fields, clock, logger } = this.#options;
    if (!isConnected) {
      const isSaid = this.#rare.warn(
        DOWN,
        { event: 'store.lost', ...fields },
        `${who} lost its connection to the membership store`,
      );
      this.#downSinceMs = isSaid ? clock.monoMs() : undefined;
    } else if (this.#downSinceMs !== undefined) {
      const downMs = Math.round(clock.monoMs() - this.#downSinceMs);
      this.#downSinceMs = undefined;
      logger.info(
        { event: 'store.back', ...fields, downMs },
        `${who} is connected to the membership store again after ${downMs} ms`,
      );
    }
  }
}

const SILENCE = 'silence';
const DOWN = 'down';

/** One kind for all keys, because an account that is full refuses each of them. */
function kindOf({ code, details }: ClstrError, doing: string): string {
  const [verb] = doing.split(' ');
  const reason = details?.['errCode'];
  return `${verb!} ${code} ${typeof reason === 'number' ? reason : ''}`;
}
