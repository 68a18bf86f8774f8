/** The replies that a node keeps for the next owners of shards that it has handed over, until they have fetched them. */
import type { Clock } from '../base/clock.ts';
import { createDeferred } from '../base/deferred.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import { decodeQuestion, encodePart } from './carried-replies.ts';
import type { CarriedReply } from './carried-replies.ts';

interface Kept {
  readonly replies: readonly CarriedReply[];
  readonly completeSinceMs: number;
  isFetched: boolean;
  cancelTimer: () => void;
}

/** How long fetched replies stay: the last answer may be lost, and its question come again. */
const FETCHED_MS = 5_000;

/** Only nodes read the records of shards, in which the secret is. */
const SECRET_LENGTH = 22;

export class HandedOver {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #keepMs: number;
  readonly #kept = new Map<string, Kept>();
  /** Resolved while nothing waits to be fetched. */
  #idle = createDeferred();

  constructor(clock: Clock, random: Random, keepMs: number) {
    this.#clock = clock;
    this.#random = random;
    this.#keepMs = keepMs;
    this.#idle.resolve();
  }

  /** Returns the secret under which the next owner gets the replies. */
  keep(replies: readonly CarriedReply[], completeSinceMs: number): string {
    const secret = randomId(this.#random, SECRET_LENGTH);
    const cancelTimer = this.#clock.timer(() => this.#drop(secret), this.#keepMs);
    this.#kept.set(secret, { replies, completeSinceMs, isFetched: false, cancelTimer });
    if (this.#idle.isResolved) this.#idle = createDeferred();
    return secret;
  }

  /** The answer to the question in `payload`, as JSON; undefined if it names nothing that is kept here. */
  answer(payload: unknown): string | undefined {
    const question = decodeQuestion(payload);
    const kept = question && this.#kept.get(question.secret);
    if (kept === undefined) return undefined;
    const completeForMs = this.#clock.monoMs() - kept.completeSinceMs;
    const { text, isLast } = encodePart(kept.replies, question!.from, completeForMs);
    if (isLast && !kept.isFetched) {
      kept.isFetched = true;
      kept.cancelTimer();
      kept.cancelTimer = this.#clock.timer(() => this.#drop(question!.secret), FETCHED_MS);
      this.#lookIdle();
    }
    return text;
  }

  /** Resolves when the next owners have fetched everything. */
  whenFetched(): Promise<void> {
    return this.#idle.promise;
  }

  close(): void {
    for (const secret of [...this.#kept.keys()]) this.#drop(secret);
  }

  #drop(secret: string): void {
    this.#kept.get(secret)?.cancelTimer();
    this.#kept.delete(secret);
    this.#lookIdle();
  }

  #lookIdle(): void {
    if ([...this.#kept.values()].every(({ isFetched }) => isFetched)) this.#idle.resolve();
  }
}
