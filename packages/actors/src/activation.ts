/**
 * One actor in memory: how it handles messages, and its life from `setup` to its end.
 *
 *   starting ── setup ──▶ active ── idle, evicted, drain, failed ──▶ stopping ──▶ gone
 *      ╰─ setup failed: every waiter is refused ─▶ gone     messages are waiting ─▶ starting again
 */
import type { HandlerContext, HandlerRequest, ShardLease } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import { abortDetached, isThenable, within } from '@clstr/core/internal';
import type { OfShard } from '@clstr/core/internal';
import type { TimerHandler } from './actor-context.ts';
import type { ActorTypeScope, ActorCore, Job, Method, TimerKind } from './actor-core.ts';
import { actorName } from './actor-name.ts';
import { ActorTimers } from './actor-timers.ts';
import { backoffMs } from './backoff.ts';
import { Background } from './background.ts';
import { MessageContext } from './contexts.ts';
import { defaults } from './defaults.ts';
import { discarded, passivated, reportBusy } from './ending.ts';
import { draining, spoilsState } from './errors.ts';
import { FullMailbox } from './full-mailbox.ts';
import { failureOf, replyOf } from './held-reply.ts';
import type { DiscardReason, PassivateReason } from './implementation.ts';
import { Mailbox } from './mailbox.ts';
import { MessageJob, isTooLate } from './message-job.ts';
import { OwnTurn } from './own-turn.ts';
import type { Blocker } from './blocker.ts';
import { RunningTurns } from './running-turns.ts';
import { Setup } from './setup.ts';
import { isPanic } from './tasks.ts';

type Phase = 'new' | 'starting' | 'active' | 'stopping' | 'gone';

/** How many synchronous turns one actor takes before other keys, timers and I/O get theirs. */
const TURNS_PER_YIELD = 256;
/** Lies before any sweep; marks an actor that has not been used since its `passivate` was rejected. */
const UNUSED = -Infinity;

/** Hot path: a message for an idle actor runs within the call that delivers it. */
export class Activation implements ActorCore, OfShard<Activation> {
  readonly home: ActorTypeScope;
  readonly key: string;
  readonly shard: number;
  lease: ShardLease | undefined = undefined;
  /** The sweep at which a message last arrived or ended, which is cheaper than reading the clock per message. */
  usedAtSweep: number;
  nextOfShard: Activation | undefined = undefined;
  previousOfShard: Activation | undefined = undefined;
  readonly #mailbox: Mailbox<Job>;
  #phase: Phase = 'new';
  #state: unknown = undefined;
  /** The mailbox is already being emptied, further up the stack or after a pause for others. */
  #isPumping = false;
  #background: Background | undefined;
  /** What {@link #settle} does once nothing runs. */
  #wish: 'none' | 'restart' | 'idle' | 'evicted' = 'none';
  /** `passivate` was rejected, and it is too early to try again. */
  #isKept = false;
  /** The shard was lost: nothing runs on this state any more. Messages under a later lease wait for the next life. */
  #isLost = false;
  #passivateFailures = 0;
  #refusals: FullMailbox | undefined;
  readonly #turns = new RunningTurns();
  #setup: Setup | undefined;
  #timers: ActorTimers | undefined;
  #life: AbortController | undefined;
  /** While the actor closes: called when it is at rest or gone. */
  #onRest: (() => void) | undefined;

  constructor(home: ActorTypeScope, key: string, shard: number) {
    this.home = home;
    this.key = key;
    this.shard = shard;
    this.usedAtSweep = home.sweep;
    this.#mailbox = new Mailbox(home.host.mailboxes);
  }

  /** Runs the message now or in its turn, and returns what its handler returns. Throws refusals. */
  accept(method: Method, request: HandlerRequest, context: HandlerContext): unknown {
    this.usedAtSweep = this.home.sweep;
    if (this.#mailbox.canRun(method.isReadonly)) return this.run(method, request, context);
    const { mailbox } = this.home.actor;
    if (this.#mailbox.size >= mailbox) throw (this.#refusals ??= new FullMailbox()).full(this);
    if (isTooLate(context, this.#mailbox.expectedMs)) {
      throw (this.#refusals ??= new FullMailbox()).tooLate(this, this.#mailbox);
    }
    return new Promise((resolve, reject) => {
      const job = new MessageJob(this, method, request, context, resolve, reject);
      this.enqueue(job);
      if (this.#phase === 'new') this.#start(job);
    });
  }

  run(method: Method, request: HandlerRequest, context: HandlerContext): unknown {
    const { isReadonly } = method;
    const own = new MessageContext(this, request, context);
    let result: unknown;
    this.#mailbox.started(isReadonly);
    try {
      result = method.call(this.#state, request.payload, own);
      if (isThenable(result)) return this.#running(result, isReadonly, request, own);
    } catch (error) {
      this.#messageFailed(request, error);
      this.#ended(isReadonly);
      return failureOf(own, error);
    }
    this.#ended(isReadonly);
    return replyOf(own, result);
  }

  #running(
    result: PromiseLike<unknown>,
    isReadonly: boolean,
    request: HandlerRequest,
    own: MessageContext,
  ): Promise<unknown> {
    const turns = this.#turns;
    turns.began(isReadonly, request, MessageContext.contextOf(own));
    return Promise.resolve(result).then(
      (value) => {
        turns.ended(isReadonly, request);
        this.#ended(isReadonly);
        return replyOf(own, value);
      },
      (error: unknown) => {
        turns.ended(isReadonly, request);
        this.#messageFailed(request, error);
        this.#ended(isReadonly);
        return failureOf(own, error);
      },
    );
  }

  #ended(isReadonly: boolean): void {
    if (this.usedAtSweep !== this.home.sweep) this.home.touch(this);
    this.#mailbox.ended(isReadonly);
    this.#pump();
  }

  #messageFailed({ type }: HandlerRequest, error: unknown): void {
    if (isPanic(error)) this.home.host.metrics.panicked(type);
    this.failed(error);
  }

  failed(error: unknown): void {
    if (this.home.actor.onError === 'restart' && spoilsState(error)) this.restart();
  }

  restart(): void {
    this.#wish = 'restart';
    this.#mailbox.isOpen = false;
    this.#settle();
  }

  /** Runs the turns that may run now, in order. */
  #pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    let turns = 0;
    for (let job = this.#mailbox.next(); job !== undefined; job = this.#mailbox.next()) {
      job.run();
      if (++turns < TURNS_PER_YIELD) continue;
      this.home.host.clock.macrotask(() => {
        this.#isPumping = false;
        this.#pump();
      });
      return;
    }
    this.#isPumping = false;
    this.#settle();
  }

  /** Acts on the wish once nothing runs. */
  #settle(): void {
    if (this.#phase !== 'active' || this.#mailbox.isRunning) return;
    if (this.#wish === 'restart') {
      void this.#restart();
      return;
    }
    if (!this.#isAtRest) return;
    if (this.#onRest !== undefined) {
      this.#onRest();
      return;
    }
    if (this.#hasPendingTimers) return;
    this.home.isPacked = false;
    if (this.#wish !== 'none' && this.#mayBeSaved) void this.stop(this.#wish);
  }

  enqueue(job: Job): void {
    this.#mailbox.push(job);
    this.#pump();
  }

  forget(job: Job): void {
    if (this.#mailbox.remove(job)) this.#pump();
  }

  timerStarted(): void {
    this.#mailbox.started(false);
    this.#turns.beginOwn(new OwnTurn('a timer', this));
  }

  /** A timer does not count as activity: if timers run at every sweep, the overdue actor leaves after one of them. */
  timerEnded(): void {
    this.#mailbox.ended(false);
    this.#turns.endOwn();
    const mayLeave = !this.#isKept && !this.#hasPendingTimers && this.#wish === 'none';
    if (mayLeave && this.home.isOverdue(this)) this.#wish = 'idle';
    this.#pump();
  }

  timerCancelled(): void {
    this.#settle();
  }

  addTimer(delayMs: number, kind: TimerKind, handler: TimerHandler): () => void {
    if (this.#phase === 'gone') {
      throw new ClstrError('ABORTED', `${this.#name} has left memory: no timer can be set`);
    }
    this.#timers ??= new ActorTimers(this);
    return this.#timers.addByUser(delayMs, kind, handler);
  }

  get blocker(): Blocker | undefined {
    return this.#turns.oldest;
  }

  messageExpired(): void {
    this.#turns.own?.messageExpired(this, this.shard);
  }

  waitUntil(work: Promise<unknown>): void {
    this.#background ??= new Background(() => this.#settle());
    this.#background.add(this, work);
  }

  passivateSoon(): void {
    if (this.#wish === 'none') this.#wish = 'idle';
    this.#settle();
  }

  get signal(): AbortSignal {
    this.#life ??= new AbortController();
    return this.#life.signal;
  }

  /** Whether the actor may be stopped now. */
  get isIdle(): boolean {
    return (
      this.#phase === 'active' &&
      !this.#isKept &&
      this.#isAtRest &&
      !this.#hasPendingTimers &&
      this.#mayBeSaved
    );
  }

  /**
   * False while the lease is expired: another node may have continued from an older state. Soon this state is
   * discarded, or the lease is renewed.
   */
  get #mayBeSaved(): boolean {
    return this.lease?.isHeld !== false;
  }

  /** Ends an actor at rest. Resolves when it is gone, starts again, or stays because `passivate` failed. */
  async stop(reason: PassivateReason): Promise<void> {
    this.#enter('stopping');
    const { passivate } = this.home.actor;
    const mayGo = passivate === undefined || (await passivated(this, passivate, this.#state, reason));
    if (this.#phase !== 'stopping') return; // the actor was ended in the meantime
    if (mayGo || reason === 'drain') this.#leave();
    else this.#stay(reason);
  }

  /** The state may be the only copy, so the actor stays. If no message arrives, it tries `passivate` again later. */
  #stay(reason: 'idle' | 'evicted'): void {
    this.#isKept = true;
    if (this.#mailbox.size === 0) this.usedAtSweep = UNUSED;
    this.#timers ??= new ActorTimers(this);
    this.#timers.add(backoffMs(this.#passivateFailures++), 'retry', () => {
      this.#isKept = false;
      if (this.usedAtSweep === UNUSED) this.#wish = reason;
    });
    this.#wish = 'none';
    this.#enter('active');
    this.#pump();
  }

  async #restart(): Promise<void> {
    this.#enter('stopping');
    await discarded(this, this.#state, 'failed');
    if (this.#phase === 'stopping') this.#leave(); // false if the closing node ended the actor in the meantime
  }

  /** Ends the actor with its node, or, with `refusal`, before its shard moves; waiting messages are then refused. */
  async close(limitMs: number = defaults.passivateMs, refusal?: unknown): Promise<void> {
    if (refusal !== undefined) for (const job of this.#mailbox.takeAll()) job.refuse(refusal);
    await this.#whenAtRest(limitMs);
    if (this.#phase === 'active' && !this.#mailbox.isRunning) await this.stop('drain');
    else if (this.#phase !== 'gone') {
      reportBusy(this);
      await this.#discard('failed', refusal ?? draining(this.home.host.nodeId));
    }
  }

  /** Another node owns the shard: nothing is saved. The key gets no new actor here until running turns have stopped. */
  async drop(refusal: unknown): Promise<void> {
    for (const job of this.#mailbox.takeAll()) job.refuse(refusal);
    this.#timers?.cancelAll();
    this.#isLost = true;
    this.#mailbox.isOpen = false;
    abortDetached(this.#life, new ClstrError('FENCED', `${this.#name} was lost to another node`));
    await this.#whenAtRest(defaults.passivateMs);
    if (this.#isStillLost()) await this.#discard('lost-ownership', refusal);
  }

  /** False once the next life has begun. */
  #isStillLost(): boolean {
    return this.#isLost;
  }

  async #discard(reason: DiscardReason, refusal: unknown): Promise<void> {
    this.#setup?.callOff();
    if (this.#phase === 'active') {
      this.#enter('stopping');
      await discarded(this, this.#state, reason);
    }
    this.#giveUp(refusal);
  }

  async #whenAtRest(limitMs: number): Promise<void> {
    if (this.#phase === 'gone' || (this.#phase === 'active' && this.#isAtRest)) return;
    const atRest = new Promise<void>((resolve) => (this.#onRest = resolve));
    await within(this.home.host.clock, atRest, limitMs);
  }

  #start(job: Job): void {
    this.lease = job.lease;
    this.#enter('starting');
    this.#setup = new Setup(
      this,
      job,
      (state) => {
        this.#setup = undefined;
        this.#state = state;
        this.#enter('active');
        this.#pump();
      },
      (error) => this.#giveUp(error),
      (refused, error) => this.#refuse(refused, error),
    );
    this.#setup.begin();
  }

  /** `setup` failed for this one message only: the next message runs it again. */
  #refuse(job: Job, error: unknown): void {
    const isWaiting = this.#mailbox.remove(job);
    this.#leave();
    if (isWaiting) job.refuse(error);
  }

  /** Ends the actor and refuses all waiting messages, whose turn will never come. */
  #giveUp(error: unknown): void {
    const waiting = this.#mailbox.takeAll();
    this.#leave();
    for (const job of waiting) job.refuse(error);
  }

  /** Ends this life; messages that arrived in the meantime begin another. */
  #leave(): void {
    this.#timers?.cancelAll();
    abortDetached(this.#life, new ClstrError('ABORTED', `${this.#name} left memory`));
    this.#state = undefined;
    this.#wish = 'none';
    this.#isKept = false;
    this.#passivateFailures = 0;
    this.#timers = undefined;
    this.#life = undefined;
    if (this.#isLost) {
      this.#isLost = false;
      this.#onRest?.();
      this.#onRest = undefined;
    }
    const { first } = this.#mailbox;
    if (first !== undefined) {
      this.#start(first);
      return;
    }
    this.#enter('gone');
    this.home.remove(this);
    this.#onRest?.();
  }

  #enter(phase: Phase): void {
    if (this.#phase === 'stopping') this.home.stopping--;
    if (phase === 'stopping') this.home.stopping++;
    this.#phase = phase;
    if (phase === 'starting') this.#turns.beginOwn(new OwnTurn('setup', this));
    else if (phase === 'stopping') this.#turns.beginOwn(new OwnTurn('passivate or discard', this));
    else this.#turns.endOwn();
    this.#mailbox.isOpen = phase === 'active' && !this.#isLost;
  }

  /** Whether nothing runs, no message waits and no background work is pending. */
  get #isAtRest(): boolean {
    return !this.#mailbox.isRunning && this.#mailbox.size === 0 && this.#background?.isIdle !== false;
  }

  /** An actor with a timer set by `after` leaves memory only with its shard, its node or its state. */
  get #hasPendingTimers(): boolean {
    return this.#timers !== undefined && this.#timers.pending > 0;
  }

  get #name(): string {
    return actorName(this.home.actor.name, this.key);
  }
}
