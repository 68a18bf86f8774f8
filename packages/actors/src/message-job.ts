/** A message that waits for its turn; it leaves the mailbox when its caller gives up or its deadline passes. */
import type { ClstrErrorOptions, HandlerContext, HandlerRequest, Headers, ShardLease } from '@clstr/core';
import type { CallChain } from '@clstr/core/handler';
import type { AsyncContext } from '@clstr/core/internal';
import { ClstrError } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import { captureContext, describe } from '@clstr/core/internal';
import type { ActorCore, Job, Method } from './actor-core.ts';
import { behind } from './blocker.ts';

export class MessageJob implements Job {
  readonly isReadonly: boolean;
  readonly expectedMs: number;
  isWaiting = false;
  next: Job | undefined = undefined;
  previous: Job | undefined = undefined;
  readonly #actor: ActorCore;
  readonly #method: Method;
  readonly #request: HandlerRequest;
  readonly #context: HandlerContext;
  /** The async context at arrival, which interceptors may have filled; otherwise the previous turn's would apply. */
  readonly #asyncContext: AsyncContext = captureContext();
  readonly #resolve: (value: unknown) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    actor: ActorCore,
    method: Method,
    request: HandlerRequest,
    context: HandlerContext,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ) {
    this.isReadonly = method.isReadonly;
    this.expectedMs = context.expectedMs ?? 0;
    this.#actor = actor;
    this.#method = method;
    this.#request = request;
    this.#context = context;
    this.#resolve = resolve;
    this.#reject = reject;
    context.onAbort = (reason) => {
      // Name the blocker before the job leaves: the blocker may end with it.
      const refusal = this.#neverStarted(reason);
      actor.forget(this);
      context.refuse(refusal);
      reject(asRefusal(refusal));
    };
  }

  get callChain(): CallChain {
    return this.#request.callChain;
  }

  get headers(): Headers {
    return this.#request.headers;
  }

  get lease(): ShardLease | undefined {
    return this.#context.lease;
  }

  run(): void {
    this.#context.onAbort = undefined;
    const remainingMs = this.#context.remainingMs();
    if (remainingMs <= 0) {
      this.#reject(asRefusal(this.#expired()));
      return;
    }
    if (remainingMs < this.expectedMs) {
      this.#reject(asRefusal(this.#hopeless(remainingMs)));
      return;
    }
    // Test the lease here, not in a timer: after a pause of the process this may be the first code that runs.
    if (this.lease?.isHeld === false) {
      this.#reject(asRefusal(this.#lost()));
      return;
    }
    this.#context.started();
    try {
      this.#resolve(
        this.#asyncContext.runInAsyncScope(
          this.#actor.run,
          this.#actor,
          this.#method,
          this.#request,
          this.#context,
        ),
      );
    } catch (error) {
      this.#reject(error);
    }
  }

  refuse(error: unknown): void {
    this.#context.onAbort = undefined;
    this.#reject(error);
  }

  #neverStarted(reason: ClstrError): ClstrError {
    if (reason.code === 'FENCED') return this.#lost();
    return reason.code === 'ABORTED' ? this.#gaveUp(reason) : this.#expired();
  }

  #lost(): ClstrError {
    return this.#neverRan('NOT_OWNER', 'until its node lost the shard');
  }

  #expired(): ClstrError {
    this.#actor.messageExpired();
    const { blocker, home } = this.#actor;
    return this.#neverRan('ENVELOPE_EXPIRED', `until its deadline passed${behind(blocker, home.host.clock)}`);
  }

  #hopeless(remainingMs: number): ClstrError {
    const times = `${Math.round(remainingMs)} ms were left for what takes about ${Math.round(this.expectedMs)} ms`;
    return this.#neverRan('ENVELOPE_EXPIRED', `until ${times}`, { details: { reason: 'deadline' } });
  }

  #gaveUp(reason: ClstrError): ClstrError {
    return this.#neverRan('ABORTED', `until it was aborted: ${reason.message}`, {
      outcome: 'not-executed',
    });
  }

  #neverRan(
    code: 'ENVELOPE_EXPIRED' | 'ABORTED' | 'NOT_OWNER',
    how: string,
    options?: ClstrErrorOptions,
  ): ClstrError {
    const { type, key } = this.#request;
    const message = `${describe(type)} waited in the mailbox of key ${describe(key)} ${how}`;
    return new ClstrError(code, message, options);
  }
}

/** Whether a message could not end within its time after other turns of `aheadMs`, as far as that is known. */
export function isTooLate(context: HandlerContext, aheadMs: number): boolean {
  const neededMs = aheadMs + (context.expectedMs ?? 0);
  return neededMs > 0 && neededMs > context.remainingMs();
}
