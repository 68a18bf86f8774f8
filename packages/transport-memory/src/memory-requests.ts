/** What a connection to a store in memory asks: requests and answers take as long as the policy says. */
import type { Clock } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import type { OperationEffect, StoreOperation, StorePolicy } from './store-policy.ts';
import { pass } from './store-policy.ts';

/** What all connections of a store share. */
export interface RequestCore {
  readonly clock: Clock;
  readonly policy: Required<StorePolicy>;
}

export class MemoryRequests {
  readonly #core: RequestCore;
  readonly #member: string;
  /** The member's clock, for its time-outs and the answers. */
  readonly #clock: Clock;
  /** Ends the calls that wait for an answer. */
  readonly #waiting = new Set<(error: ClstrError) => void>();
  #isConnected = true;
  #isClosed = false;

  constructor(core: RequestCore, member: string, clock: Clock) {
    this.#core = core;
    this.#member = member;
    this.#clock = clock;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Requests already sent may still arrive; the member gets no answer to them. */
  cut(): void {
    this.#isConnected = false;
    const waiting = [...this.#waiting];
    pass(this.#clock, 0, () => {
      for (const fail of waiting) fail(connectionLost('was lost'));
    });
  }

  restore(): void {
    this.#isConnected = true;
  }

  close(): void {
    this.#isConnected = false;
    this.#isClosed = true;
  }

  /** Runs `work` where the data is. @throws TIMEOUT, CONNECTION_LOST, the refusal of the policy */
  ask<T>(
    operation: Omit<StoreOperation, 'member'>,
    timeoutMs: number,
    work: (effect: OperationEffect) => T,
  ): Promise<T> {
    if (!this.#isConnected) return Promise.reject(connectionLost(this.#isClosed ? 'is closed' : 'is down'));
    const effect = this.#core.policy.onOperation({ member: this.#member, ...operation });
    return new Promise<T>((resolve, reject) => {
      const fail = (error: ClstrError): void => {
        cancelTimeout();
        if (this.#waiting.delete(fail)) reject(error);
      };
      const cancelTimeout = this.#clock.timer(() => {
        fail(new ClstrError('TIMEOUT', `no answer to ${operation.kind} within ${timeoutMs} ms`));
      }, timeoutMs);
      this.#waiting.add(fail);
      pass(this.#core.clock, effect.request ?? 0, () => {
        const { refusal } = effect;
        const result = refusal === undefined ? work(effect) : undefined;
        pass(this.#clock, effect.answer ?? 0, () => {
          if (refusal !== undefined) {
            fail(refusal);
            return;
          }
          if (!this.#waiting.delete(fail)) return;
          cancelTimeout();
          resolve(result as T);
        });
      });
    });
  }
}

function connectionLost(what: string): ClstrError {
  return new ClstrError('CONNECTION_LOST', `the connection to the memory store ${what}`);
}
