/** Calls from one actor to another: they pass on the remaining time, the trace and the call chain. */
import type { CallOptions, Headers } from '@clstr/core';
import type { CallChain } from '@clstr/core/handler';
import { ClstrError, isClstrError } from '@clstr/core';
import { MAX_CALL_DEPTH, forCaller } from '@clstr/core/handler';
import { anySignal, chainTo, isOfChain } from '@clstr/core/internal';
import type { LifecycleContext } from './actor-context.ts';
import type { ActorCore } from './actor-core.ts';
import { chainLink, pathOf } from './actor-name.ts';
import type { ActorId } from './actor-name.ts';
import { callerOf } from './ref.ts';
import type { Caller } from './ref.ts';

/** The headers of the W3C trace context and baggage, which every nested call carries. */
const TRACE_HEADERS = ['traceparent', 'tracestate', 'baggage'];

/** The part of a context that nested calls need. */
export interface CallingContext extends Pick<LifecycleContext, 'signal' | 'remainingMs'> {
  /** Called when a nested call failed because of the actors earlier in the chain. */
  onChainFailed?(error: ClstrError): void;
}

export class NestedCaller implements Caller {
  readonly #self: ActorCore;
  /** The called actor, which its message types need not name. */
  readonly #actor: ActorId;
  readonly #callChain: CallChain;
  /** Of the message on whose behalf it calls; undefined if there is none. */
  readonly #headers: Headers | undefined;
  readonly #context: CallingContext;

  constructor(
    self: ActorCore,
    actor: ActorId,
    callChain: CallChain,
    headers: Headers | undefined,
    context: CallingContext,
  ) {
    this.#self = self;
    this.#actor = actor;
    this.#callChain = callChain;
    this.#headers = headers;
    this.#context = context;
  }

  async requestKey<T>(key: string, type: string, payload?: unknown, options: CallOptions = {}): Promise<T> {
    const chain = chainTo(this.#callChain, chainLink(this.#self.home.actor, this.#self.key));
    const target = chainLink(this.#actor, key);
    const isCycle = chain.includes(target);
    if (isCycle || chain.length >= MAX_CALL_DEPTH) {
      const what = isCycle ? 'the call would wait for itself' : `calls are nested ${chain.length} deep`;
      const path = [...chain, target];
      throw this.#failed(
        new ClstrError('CALL_CYCLE', `${what}: ${pathOf(path)}`, { details: { chain: path } }),
      );
    }
    const { signal: own } = this.#context;
    const [signal, letGo] =
      options.signal === undefined ? [own, undefined] : anySignal([own, options.signal]);
    try {
      return await this.#client().requestKey<T>(key, type, payload, {
        ...this.#passedOn(options),
        signal,
        callChain: chain,
      });
    } catch (error) {
      throw isClstrError(error) ? this.#failed(error) : error;
    } finally {
      letGo?.();
    }
  }

  /** A cycle is a bug in the program: the first caller should get the error with its chain. */
  #failed(error: ClstrError): ClstrError {
    if (!isOfChain(error)) return error;
    this.#context.onChainFailed?.(error);
    return error.code === 'CALL_CYCLE' ? forCaller(error) : error;
  }

  /** A notify does not wait for an answer, so it cannot close a cycle: it starts a chain of its own. */
  notifyKey(key: string, type: string, payload?: unknown, options: CallOptions = {}): Promise<void> {
    try {
      // Return the client's own promise: a derived one would end the process if its rejection were never awaited.
      return this.#client().notifyKey(key, type, payload, this.#passedOn(options));
    } catch (error) {
      return this.#notSent(key, type, error);
    }
  }

  /** The caller may never await this rejection, and the client does not see it, so it is logged. */
  #notSent(key: string, type: string, error: unknown): Promise<never> {
    const failed = Promise.reject<never>(error);
    failed.catch((err: unknown) => {
      this.#self.home.host.floodLog.warn(
        'actor.notify_not_sent',
        { err, type, key },
        'a notify was not sent',
      );
    });
    return failed;
  }

  #passedOn(options: CallOptions): CallOptions {
    const remainingMs = this.#context.remainingMs();
    if (remainingMs <= 0) {
      throw new ClstrError('TIMEOUT', 'no time is left for another call', { outcome: 'not-executed' });
    }
    const trace: Record<string, string> = {};
    for (const name of TRACE_HEADERS) {
      const value = this.#headers?.[name];
      if (value !== undefined) trace[name] = value;
    }
    const isNested = this.#headers !== undefined;
    const passed: CallOptions = { ...options, headers: { ...trace, ...options.headers }, isNested };
    if (remainingMs === Infinity) return passed;
    const leftMs = Math.max(1, Math.floor(remainingMs));
    return { ...passed, timeoutMs: Math.min(leftMs, options.timeoutMs ?? leftMs) };
  }

  /** It is made for one actor, whose service it reaches already. */
  service(): Caller {
    return this;
  }

  #client(): Caller {
    const { client } = this.#self.home.host;
    const { service } = this.#actor;
    if (client !== undefined) return service === undefined ? client : callerOf(client, service);
    throw new ClstrError(
      'INVALID_OPTION',
      'actorHandler has no client, which ctx.ref needs to reach other actors',
    );
  }
}
