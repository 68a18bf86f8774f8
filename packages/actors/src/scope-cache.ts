/**
 * The instances of a scoped handler: busy ones in a Map, idle ones in an LRU, because an LRU cannot refuse to evict.
 *
 * An instance is created (busy) → in use (busy) ⇄ idle → being disposed → gone. A scope never has two at a time.
 */
import type { HandlerContext, HandlerRequest, Logger } from '@clstr/core';
import { detached, inBackground } from '@clstr/core/internal';
import { LRUCache } from 'lru-cache';
import { closed, overloaded } from './errors.ts';
import type { KeyedHandler } from './keyed-handler.ts';
import { callKeyedHandler, checkKeyedHandler } from './keyed-handler.ts';
import type { ResolvedOptions } from './options.ts';

export class ScopeCache {
  readonly #options: ResolvedOptions;
  /** The instances with users; a creation counts as a user of its instance. */
  readonly #busy = new Map<string, Instance>();
  readonly #idle: LRUCache<string, Instance>;
  readonly #disposing = new Map<string, Disposal>();
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #onEmpty: (() => void) | undefined;

  constructor(options: ResolvedOptions) {
    this.#options = options;
    this.#idle = new LRUCache({ max: options.cacheSize });
  }

  handle(scope: string, request: HandlerRequest, context: HandlerContext): unknown {
    const instance = this.#acquire(scope, context);
    if (instance.handler === undefined) return this.#handleWhenCreated(instance, request, context);
    let result: unknown;
    try {
      result = callKeyedHandler(instance.handler, request, context);
    } catch (error) {
      this.#release(instance);
      throw error;
    }
    if (isThenable(result)) return this.#handleEnded(instance, result);
    this.#release(instance);
    return result;
  }

  close(): Promise<void> {
    this.#isClosed = true;
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Adds a user to the instance of a scope, and creates it if there is none. @throws OVERLOADED, DRAINING */
  #acquire(scope: string, context: HandlerContext): Instance {
    if (this.#isClosed) throw closed(scope);
    const busy = this.#busy.get(scope);
    if (busy !== undefined) {
      busy.users++;
      return busy;
    }
    const idle = this.#idle.peek(scope);
    if (idle !== undefined) {
      this.#idle.delete(scope);
      idle.users = 1;
      this.#busy.set(scope, idle);
      return idle;
    }
    this.#makeRoom(scope);
    const instance = new Instance(scope, context.log);
    instance.users = 2; // this message and the creation
    this.#busy.set(scope, instance);
    inBackground(this.#create(instance, context.nodeId), 'creating a handler', context.log);
    return instance;
  }

  #makeRoom(scope: string): void {
    const { cacheSize } = this.#options;
    if (this.#busy.size + this.#idle.size < cacheSize) return;
    if (this.#idle.size === 0) throw overloaded(scope, `all ${cacheSize} handlers are in use`);
    if (this.#disposing.size >= cacheSize) {
      throw overloaded(scope, `${cacheSize} handlers are still being disposed`);
    }
    this.#dispose(this.#idle.pop()!);
  }

  /**
   * Rejects only when every waiting message has given up; otherwise their callers get the error. A failed creation
   * remains a user, so that its instance cannot become idle.
   */
  async #create(instance: Instance, nodeId: string): Promise<void> {
    const { scope, log } = instance;
    const { owner, create } = this.#options;
    try {
      await this.#disposing.get(scope)?.ended;
      instance.handler = checkKeyedHandler(owner, await detached(create, scope, { nodeId, log }));
    } catch (error) {
      this.#busy.delete(scope);
      this.#reportEmpty();
      if (instance.waiters.size === 0) throw error;
      for (const waiter of instance.waiters) waiter.reject(error as Error);
      return;
    }
    for (const waiter of instance.waiters) waiter.resolve();
    this.#release(instance);
  }

  async #handleWhenCreated(
    instance: Instance,
    request: HandlerRequest,
    context: HandlerContext,
  ): Promise<unknown> {
    try {
      await instance.whenCreated(context.signal);
      return await callKeyedHandler(instance.handler!, request, context);
    } finally {
      this.#release(instance);
    }
  }

  async #handleEnded(instance: Instance, result: PromiseLike<unknown>): Promise<unknown> {
    try {
      return await result;
    } finally {
      this.#release(instance);
    }
  }

  #release(instance: Instance): void {
    if (--instance.users > 0) return;
    this.#busy.delete(instance.scope);
    if (this.#isClosed) this.#dispose(instance);
    else this.#idle.set(instance.scope, instance);
    this.#reportEmpty();
  }

  #dispose({ handler, scope, log }: Instance): void {
    if (handler?.dispose === undefined) return;
    // Run in a later microtask, so that `ended` is set before user code can ask for the scope again.
    const ended = Promise.resolve()
      .then(() => detached(() => handler.dispose?.()))
      .catch((err: unknown) => {
        log.error({ event: 'scope.dispose_failed', err, scope }, 'disposing a handler failed');
      })
      .then(() => {
        this.#disposing.delete(scope);
        this.#reportEmpty();
      });
    this.#disposing.set(scope, { ended, log });
  }

  async #close(): Promise<void> {
    const { clock, closeGraceMs } = this.#options;
    for (let next = this.#idle.pop(); next !== undefined; next = this.#idle.pop()) this.#dispose(next);
    await new Promise<void>((resolve) => {
      const cancel = clock.timer(resolve, closeGraceMs);
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
      this.#reportEmpty();
    });
    const [left] = [...this.#busy.values(), ...this.#disposing.values()];
    const counts = { inUse: this.#busy.size, disposing: this.#disposing.size };
    left?.log.warn(
      { event: 'scope.not_closed', ...counts },
      `closed before every handler ended, after ${closeGraceMs} ms`,
    );
  }

  #reportEmpty(): void {
    if (this.#busy.size === 0 && this.#disposing.size === 0) this.#onEmpty?.();
  }
}

interface Disposal {
  /** Never rejects. */
  readonly ended: Promise<void>;
  readonly log: Logger;
}

interface Waiter {
  resolve(): void;
  reject(error: Error): void;
}

/** A user's handler for one scope, or the wait for its creation. */
class Instance {
  readonly scope: string;
  readonly log: Logger;
  /** Undefined until it is created. */
  handler: KeyedHandler | undefined;
  users = 0;
  readonly waiters = new Set<Waiter>();

  constructor(scope: string, log: Logger) {
    this.scope = scope;
    this.log = log;
  }

  /** A hung creation does not keep messages that have given up, which would otherwise pile up behind it. */
  whenCreated(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.waiters.delete(waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        resolve() {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
        reject(error) {
          signal.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      this.waiters.add(waiter);
      if (signal.aborted) onAbort();
      else signal.addEventListener('abort', onAbort, { once: true });
    });
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
