/**
 * Refuses messages of a node that has more to do than it has time for, before it does anything for them.
 *
 * A socket does not show how long its bytes have waited. What shows is how far into a turn of the event loop a message is
 * reached: the loop reads what has arrived, and works it off before it reads again. An idle node reaches a message at
 * once, and one whose turns never end in time has more arriving than it can do. Mailboxes do not count: messages wait
 * there for their key.
 */
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClstrError, Refusal, asRefusal } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { RareLog } from '../base/rare-log.ts';
import { createRareLog } from '../base/rare-log.ts';
import type { Resolved } from '../base/spec.ts';
import { CALL_CHAIN_HEADER } from '../wire/call-chain.ts';
import type { Ticket } from '../wire/call-chain.ts';
import { isCritical } from '../wire/framework-headers.ts';
import type { InboundEntry } from '../wire/transport.ts';
import { ClassAges } from './queue-age.ts';
import { RunTimes } from './run-times.ts';
import type { SheddingOptions } from './shedding-options.ts';

/** Above so many times the target, the work of a turn that may be old leaves no room for other work in the next. */
const BEHIND_TIMES = 2;

export interface ShedderOptions {
  readonly nodeId: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly shedding: Resolved<SheddingOptions>;
}

export class Shedder {
  readonly runTimes: RunTimes = new RunTimes();
  /** How long the handler of the message that was looked at last will probably run; 0 if nothing is known. */
  expectedMs = 0;
  readonly #options: ShedderOptions;
  readonly #ticket: Ticket;
  readonly #loop: ClassAges;
  /** Of what waits for one of the running handlers to end. */
  readonly #queue: ClassAges;
  #queuedSince: (() => number | undefined) | undefined;
  readonly #log: RareLog;
  readonly #tooOld: Refusal;
  #tooOldError: ClstrError | undefined;
  /** The event loop is watched while messages arrive in each of its turns. */
  #isWatching = false;
  /** When this turn of the loop began. */
  #turnMs = 0;
  /** When the last message of this turn was reached; before `#turnMs` if there is none yet. */
  #reachedMs = -Infinity;
  /** When the last message of this turn began that was older than the target. */
  #beganLateMs = -Infinity;
  /** In the turn before, what may be old took much longer than the target: it gets this turn for itself. */
  #isBehind = false;
  #shedding: { readonly sinceMs: number; readonly isLogged: boolean } | undefined;
  /** Messages refused for their age since shedding began. */
  #refused = 0;

  constructor(options: ShedderOptions, ticket: Ticket) {
    const { nodeId, clock, logger, shedding } = options;
    this.#options = options;
    this.#ticket = ticket;
    this.#loop = new ClassAges(shedding.targetMs, shedding.intervalMs);
    this.#queue = new ClassAges(shedding.targetMs, shedding.intervalMs);
    this.#log = createRareLog(logger, clock);
    const message = `messages have waited for node ${nodeId} for longer than ${shedding.targetMs} ms, so it refuses some`;
    this.#tooOld = new Refusal('OVERLOADED', message, { reason: 'age', retryAfterMs: shedding.intervalMs });
  }

  get isShedding(): boolean {
    return this.#shedding !== undefined;
  }

  /** Hot path: why the message is not worth beginning. */
  refusal(entry: InboundEntry, nowMs: number): Refusal | undefined {
    if (!this.#isWatching) this.#watchFrom(nowMs);
    this.#reachedMs = nowMs;
    const ageMs = nowMs - this.#turnMs;
    const isLate = ageMs > this.#loop.targetMs || this.#isBehind;
    if (isLate && this.#isTooOld(entry, ageMs, nowMs)) return this.#tooOld;
    this.expectedMs = this.runTimes.expectedMs(entry.type, nowMs);
    if (entry.ttlMs === undefined) return undefined;
    const remainingMs = entry.ttlMs - (nowMs - entry.receivedAtMs);
    return this.expectedMs > remainingMs ? this.#tooLate(entry, remainingMs) : undefined;
  }

  #tooLate({ type }: InboundEntry, remainingMs: number): Refusal {
    const { expectedMs } = this;
    const message =
      `${Math.round(remainingMs)} ms are left for ${describe(type)}, ` +
      `which has taken ${Math.round(expectedMs)} ms on node ${this.#options.nodeId} lately`;
    return new Refusal('ENVELOPE_EXPIRED', message, { reason: 'deadline' });
  }

  #isTooOld({ headers }: InboundEntry, ageMs: number, nowMs: number): boolean {
    this.#loop.observeOneOfMore(ageMs, nowMs);
    if (!this.#loop.isStanding) return false;
    if (this.#shedding === undefined) this.#begin(ageMs, nowMs);
    // A call of a handler of this node goes on: that handler waits for it, and its work would be lost.
    const mayBeOld = isCritical(headers) || this.#ticket.isIn(headers?.[CALL_CHAIN_HEADER]);
    if (
      mayBeOld ? !this.#loop.isTooOld(ageMs, true) : !this.#isBehind && !this.#loop.isTooOld(ageMs, false)
    ) {
      this.#beganLateMs = nowMs;
      return false;
    }
    this.#refused++;
    return true;
  }

  /** `queuedSince` says since when the first message waits for one of the running handlers to end. */
  watchQueue(queuedSince: () => number | undefined): void {
    this.#queuedSince = queuedSince;
  }

  /** A message may begin, after it has waited for a running handler to end; 0 if it has not. */
  waited(waitedMs: number, nowMs: number): void {
    this.#queue.observe(waitedMs, nowMs);
    if (this.#queue.isStanding && this.#shedding === undefined) this.#begin(waitedMs, nowMs);
  }

  /** Why a message that has waited for so long for a running handler to end does not begin. */
  refusalAfter(waitedMs: number, critical: boolean): ClstrError | undefined {
    if (!this.#queue.isTooOld(waitedMs, critical)) return undefined;
    this.#refused++;
    const { message, details } = this.#tooOld;
    // One error serves them all: a stack for each would cost more than the rest.
    return (this.#tooOldError ??= asRefusal(new ClstrError('OVERLOADED', message, { details })));
  }

  #watchFrom(nowMs: number): void {
    this.#isWatching = true;
    this.#turnMs = nowMs;
    this.#options.clock.macrotask(this.#onTurn);
  }

  /** A turn has ended. One more follows in which the loop does not sleep, and which shows whether messages wait. */
  readonly #onTurn = (): void => {
    const nowMs = this.#options.clock.monoMs();
    const wasReached = this.#reachedMs >= this.#turnMs;
    this.#loop.observe(wasReached ? this.#reachedMs - this.#turnMs : 0, nowMs);
    this.#isBehind =
      this.#loop.isStanding && this.#beganLateMs - this.#turnMs > BEHIND_TIMES * this.#loop.targetMs;
    this.#turnMs = nowMs;
    this.#reachedMs = -Infinity;
    this.#isWatching = wasReached;
    if (wasReached) this.#options.clock.macrotask(this.#onTurn);
  };

  #begin(ageMs: number, nowMs: number): void {
    const { nodeId, shedding } = this.#options;
    const message =
      `node ${nodeId} refuses calls, critical ones last: ` +
      `all messages of ${shedding.intervalMs} ms have waited for longer than ${shedding.targetMs} ms`;
    const fields = { event: 'node.shedding_began', nodeId, waitedMs: Math.round(ageMs) };
    this.#shedding = { sinceMs: nowMs, isLogged: this.#log.warn('shedding', fields, message) };
    this.#lookLater();
  }

  #lookLater(): void {
    const { clock, shedding } = this.#options;
    clock.timer(() => {
      const nowMs = clock.monoMs();
      this.#loop.look(nowMs);
      this.#queue.observe(nowMs - (this.#queuedSince?.() ?? nowMs), nowMs);
      if (this.#loop.isStanding || this.#queue.isStanding) this.#lookLater();
      else this.#end(nowMs);
    }, shedding.intervalMs);
  }

  #end(nowMs: number): void {
    const { nodeId, logger } = this.#options;
    const { sinceMs, isLogged } = this.#shedding!;
    const refused = this.#refused;
    this.#shedding = undefined;
    this.#refused = 0;
    if (!isLogged) return;
    const forMs = Math.round(nowMs - sinceMs);
    const message = `node ${nodeId} takes all calls again: it refused ${refused} in ${forMs} ms`;
    logger.info({ event: 'node.shedding_ended', nodeId, refused, forMs }, message);
  }
}
