/** The contexts that actor code receives. Each part is created only when it is used. */
import type { ActorError, HandlerContext, HandlerRequest, Headers, Logger, ShardLease } from '@clstr/core';
import type { CallChain } from '@clstr/core/handler';
import { ClstrError } from '@clstr/core';
import { MAX_DELAY_MS, abortDetached, checkInteger, detached } from '@clstr/core/internal';
import type { ActorContext, ActorLog, LifecycleContext, LogMethod, TimerHandler } from './actor-context.ts';
import type { ActorCore } from './actor-core.ts';
import type { ActorId } from './actor-name.ts';
import { defaults } from './defaults.ts';
import type { Methods } from './method.ts';
import { messageType } from './method.ts';
import { NestedCaller } from './nested-caller.ts';
import type { Ref, Referable } from './ref.ts';
import { isThenable } from '@clstr/core/internal';
import { checkedError } from './validation.ts';

abstract class BaseContext implements LifecycleContext {
  protected readonly self: ActorCore;
  #log: ActorLog | undefined;

  constructor(self: ActorCore) {
    this.self = self;
  }

  static coreOf(context: BaseContext): ActorCore {
    return context.self;
  }

  abstract readonly signal: AbortSignal;
  /**
   * The shard lease at the creation of this context: code that outlives it must not get the token of the next lease.
   */
  protected abstract readonly lease: ShardLease | undefined;
  abstract remainingMs(): number;

  get actor(): string {
    return this.self.home.actor.name;
  }

  get key(): string {
    return this.self.key;
  }

  get nodeId(): string {
    return this.self.home.host.nodeId;
  }

  get epoch(): number | undefined {
    return this.lease?.epoch;
  }

  get fencingToken(): number | undefined {
    return this.lease?.fencingToken;
  }

  get services(): unknown {
    return this.self.home.host.services;
  }

  get log(): ActorLog {
    this.#log ??= boundLog(this.self.home.host.logger, { actor: this.actor, key: this.key });
    return this.#log;
  }

  ref<M extends Methods>(contract: Referable<M>, key: string): Ref<M> {
    return contract.ref(this.caller(contract), key);
  }

  every(periodMs: number, handler: TimerHandler): () => void {
    return this.self.addTimer(checkInteger('every', 'periodMs', periodMs, 1, MAX_DELAY_MS), 'every', handler);
  }

  after(delayMs: number, handler: TimerHandler): () => void {
    return this.self.addTimer(checkInteger('after', 'delayMs', delayMs, 0, MAX_DELAY_MS), 'after', handler);
  }

  waitUntil(work: Promise<unknown>): void {
    this.self.waitUntil(work);
  }

  passivate(): void {
    this.self.passivateSoon();
  }

  protected abstract caller(actor: ActorId): NestedCaller;
}

/** The actor behind a context, for layers on top of actors. */
export function coreOf(context: LifecycleContext): ActorCore {
  return BaseContext.coreOf(context as unknown as BaseContext);
}

/** The context of a message handler. */
export class MessageContext extends BaseContext implements ActorContext {
  /** A layer sets it if the reply has to wait after the turn has ended; if it rejects, that is the reply. */
  heldUntil: Promise<unknown> | undefined = undefined;
  readonly #request: HandlerRequest;
  readonly #context: HandlerContext;

  constructor(self: ActorCore, request: HandlerRequest, context: HandlerContext) {
    super(self);
    this.#request = request;
    this.#context = context;
  }

  /** What a context is made of, for a layer that makes a richer one. */
  static partsOf(of: MessageContext): {
    readonly self: ActorCore;
    readonly request: HandlerRequest;
    readonly context: HandlerContext;
  } {
    return { self: of.self, request: of.#request, context: of.#context };
  }

  /** Allocates nothing, unlike {@link partsOf}. */
  static contextOf(of: MessageContext): HandlerContext {
    return of.#context;
  }

  get signal(): AbortSignal {
    return this.#context.signal;
  }

  get headers(): Headers {
    return this.#request.headers;
  }

  protected override get lease(): ShardLease | undefined {
    return this.#context.lease;
  }

  get isNotify(): boolean {
    return this.#request.isNotify;
  }

  fail(code: string, details?: unknown): ActorError {
    const { type } = this.#request;
    const { name, methods } = this.self.home.actor;
    const method = Object.entries(methods).find((entry) => messageType(name, ...entry) === type);
    return checkedError(type, method?.[1].errors, code, details);
  }

  remainingMs(): number {
    return this.#context.remainingMs();
  }

  protected override caller(actor: ActorId): NestedCaller {
    const { callChain, headers } = this.#request;
    return new NestedCaller(this.self, actor, callChain, headers, this);
  }
}

/** The context of `setup` and timers, which have no time limit. Calls in `setup` belong to the trace of its message. */
export class LifeContext extends BaseContext {
  protected override readonly lease: ShardLease | undefined;
  /** The error of a call that might have succeeded with another caller's chain. */
  chainFailure: ClstrError | undefined = undefined;
  readonly #callChain: CallChain;
  readonly #headers: Headers | undefined;

  constructor(self: ActorCore, callChain: CallChain, headers?: Headers) {
    super(self);
    this.lease = self.lease;
    this.#callChain = callChain;
    this.#headers = headers;
  }

  onChainFailed(error: ClstrError): void {
    if (this.#callChain.length > 0) this.chainFailure = error;
  }

  get signal(): AbortSignal {
    return this.self.signal;
  }

  remainingMs(): number {
    return Infinity;
  }

  protected override caller(actor: ActorId): NestedCaller {
    return new NestedCaller(this.self, actor, this.#callChain, this.#headers, this);
  }
}

/** The context of `passivate` and `discard`, which have a time limit. */
export class EndContext<Reason extends string> extends BaseContext {
  readonly reason: Reason;
  protected override readonly lease: ShardLease | undefined;
  /** The work that still runs after the time limit. */
  unfinished: Promise<unknown> | undefined = undefined;
  readonly #deadlineMs: number;
  readonly #work: Promise<unknown>[] = [];
  #controller: AbortController | undefined;
  #overdue: ClstrError | undefined;

  constructor(self: ActorCore, reason: Reason) {
    super(self);
    this.reason = reason;
    this.lease = self.lease;
    this.#deadlineMs = self.home.host.clock.monoMs() + defaults.passivateMs;
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#overdue !== undefined) this.#controller.abort(this.#overdue);
    return this.#controller.signal;
  }

  remainingMs(): number {
    return Math.max(0, this.#deadlineMs - this.self.home.host.clock.monoMs());
  }

  /** The end of the actor itself waits for this work. */
  override waitUntil(work: Promise<unknown>): void {
    this.#work.push(work);
    // It may fail before anyone awaits it; a later await still rejects.
    Promise.resolve(work).catch(() => undefined);
  }

  /** Does nothing: the actor is leaving already. */
  override passivate(): void {
    /* the actor is leaving already */
  }

  /** Runs `step` and waits for it and the work it began; rejects when the time limit has passed. */
  async within(step: () => unknown): Promise<void> {
    const result = detached(step);
    if (!isThenable(result) && this.#work.length === 0) return;
    const work = this.#ended(result);
    let stopTimer: (() => void) | undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      stopTimer = this.self.home.host.clock.timer(() => {
        this.#overdue = new ClstrError('HANDLER_TIMEOUT', `it took longer than ${defaults.passivateMs} ms`);
        this.unfinished = work;
        abortDetached(this.#controller, this.#overdue);
        reject(this.#overdue);
      }, defaults.passivateMs);
    });
    try {
      await Promise.race([work, overdue]);
    } finally {
      stopTimer?.();
    }
  }

  protected override caller(actor: ActorId): NestedCaller {
    return new NestedCaller(this.self, actor, [], undefined, this);
  }

  async #ended(result: unknown): Promise<void> {
    await result;
    await Promise.all(this.#work);
  }
}

function boundLog(logger: Logger, bound: object): ActorLog {
  const at =
    (level: keyof Logger): LogMethod =>
    (first: string | object, message?: string) => {
      if (typeof first === 'string') logger[level](bound, first);
      else if (first instanceof Error) logger[level]({ ...bound, err: first }, message ?? first.message);
      else logger[level]({ ...bound, ...first }, message);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
