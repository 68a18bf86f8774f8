/** Fakes of other actors: they answer the calls of an actor under test, and record them. */
import type { Caller, Contract, InputOf, Methods, OutputOf } from '@clstr/actors';
import { messageType } from '@clstr/actors/internal';
import type { CallOptions, Clock } from '@clstr/core';
import { ClstrError, defaults, isClstrError } from '@clstr/core';
import { listenForAbort, stopListening } from '@clstr/core/internal';

/** A call that the actor under test made. */
export interface SentCall {
  readonly actor: string;
  readonly key: string;
  readonly method: string;
  readonly input: unknown;
  readonly isNotify: boolean;
  readonly options: CallOptions;
}

/** The fake methods of one contract; a request to a method without a fake fails as `NO_SUBSCRIBER`. */
export type FakeMethods<M extends Methods> = {
  readonly [Name in keyof M]?: (
    input: InputOf<M[Name]>,
    call: SentCall,
  ) => OutputOf<M[Name]> | Promise<OutputOf<M[Name]>>;
};

/** A fake for the option `refs` of `testActor`. */
export interface FakeRef {
  readonly actor: string;
  /** The methods of its contract by message type. */
  readonly names: ReadonlyMap<string, string>;
  readonly methods: Readonly<Record<string, ((input: unknown, call: SentCall) => unknown) | undefined>>;
}

/**
 * Answers calls to the actors of `contract` with any key; `call.key` is the key. An error that a method throws reaches
 * the caller as it would over a bus: a `ClstrError` unchanged, any other error as `INTERNAL`.
 */
export function fakeRef<M extends Methods>(contract: Contract<string, M>, methods: FakeMethods<M>): FakeRef {
  const { name: actor } = contract;
  const types = Object.entries(contract.methods).map(
    ([name, method]) => [messageType(actor, name, method), name] as const,
  );
  return { actor, names: new Map(types), methods };
}

/** The caller behind `ctx.ref` of an actor under test. */
export class FakeCaller implements Caller {
  readonly sent: SentCall[] = [];
  readonly #refs: ReadonlyMap<string, FakeRef>;
  readonly #clock: Clock;

  constructor(refs: readonly FakeRef[], clock: Clock) {
    this.#refs = new Map(refs.map((ref) => [ref.actor, ref]));
    this.#clock = clock;
  }

  async requestKey<T>(key: string, type: string, input?: unknown, options: CallOptions = {}): Promise<T> {
    const call = this.#record(key, type, input, false, options);
    const answer = this.#refs.get(call.actor)?.methods[call.method];
    if (answer === undefined) {
      const what = `testActor has no fake for ${type}`;
      throw new ClstrError('NO_SUBSCRIBER', `${what}: refs: [fakeRef(…, { ${call.method}: … })]`);
    }
    return (await this.#inTime(call, run(answer, call))) as T;
  }

  /** A notify without a fake is only recorded, because its sender would get no error either. */
  async notifyKey(key: string, type: string, input?: unknown, options: CallOptions = {}): Promise<void> {
    const call = this.#record(key, type, input, true, options);
    const answer = this.#refs.get(call.actor)?.methods[call.method];
    if (answer !== undefined) await run(answer, call).catch(() => undefined);
  }

  #record(key: string, type: string, input: unknown, isNotify: boolean, options: CallOptions): SentCall {
    const fake = [...this.#refs.values()].find(({ names }) => names.has(type));
    const dot = type.lastIndexOf('.');
    const actor = fake?.actor ?? type.slice(0, dot);
    const method = fake?.names.get(type) ?? type.slice(dot + 1);
    const call = { actor, key, method, input, isNotify, options };
    this.sent.push(call);
    return call;
  }

  /** Like a client, stops waiting at the deadline, or once the caller has given up. */
  async #inTime(call: SentCall, answer: Promise<unknown>): Promise<unknown> {
    const { timeoutMs = defaults.requestTimeoutMs, signal } = call.options;
    const what = `${call.actor}.${call.method} of ${JSON.stringify(call.key)}`;
    let stop = (): void => undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      const stopTimer = this.#clock.timer(() => {
        reject(new ClstrError('TIMEOUT', `${what} did not answer within ${timeoutMs} ms`));
      }, timeoutMs);
      const caller = {
        onAbort: (): void => {
          reject(new ClstrError('ABORTED', `the caller of ${what} gave up`));
        },
      };
      if (signal?.aborted === true) caller.onAbort();
      else if (signal !== undefined) listenForAbort(signal, caller);
      stop = () => {
        stopTimer();
        if (signal !== undefined) stopListening(signal, caller);
      };
    });
    try {
      return await Promise.race([answer, overdue]);
    } finally {
      stop();
    }
  }
}

async function run(answer: (input: unknown, call: SentCall) => unknown, call: SentCall): Promise<unknown> {
  try {
    return await answer(call.input, call);
  } catch (cause) {
    if (isClstrError(cause)) throw cause;
    const message = `the fake of ${call.actor}.${call.method} threw: ${String(cause)}`;
    throw new ClstrError('INTERNAL', message, { outcome: 'executed', cause });
  }
}
