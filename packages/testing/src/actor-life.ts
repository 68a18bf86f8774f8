/** One run of the node with the actor under test: it hosts the actor, watches it, and ends it in every possible way. */
import { actorHandler, request } from '@clstr/actors';
import type { Actor, ActorHandler, Caller, Durability, PassivateReason } from '@clstr/actors';
import type { Clock, Logger } from '@clstr/core';
import { ClstrError } from '@clstr/core';
import type { StateStore } from '@clstr/core/store';
import { MAX_DELAY_MS } from '@clstr/core/internal';
import { deferred } from './deferred.ts';
import type { Deferred } from './deferred.ts';
import { TestMessage } from './test-message.ts';
import { turn } from './turn.ts';

export interface ActorLifeHost {
  readonly nodeId: string;
  readonly services: unknown;
  readonly store: StateStore;
  readonly client: Caller;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A method that only the test kit calls: it passivates its actor. */
const LEAVE = '~leave';

export class ActorLife {
  /** What `setup` returned; undefined while the actor is not in memory. */
  #made: unknown = undefined;
  readonly #actor: Actor;
  readonly #key: string;
  readonly #host: ActorLifeHost;
  readonly #handler: ActorHandler;
  readonly #delivered = new Set<TestMessage>();
  #isInMemory = false;
  #isOver = false;
  #fillers = 0;
  /** Called with the end of a passivation that the test requested. */
  #asked: Deferred<void> | undefined;

  constructor(actor: Actor, key: string, host: ActorLifeHost) {
    this.#actor = actor;
    this.#key = key;
    this.#host = host;
    this.#handler = actorHandler([this.#watched()], {
      cacheSize: 1,
      services: host.services,
      store: host.store,
      client: this.#endingClient(),
      clock: this.#endingClock(),
      logger: host.logger,
    });
  }

  /** What handlers get; undefined while the actor is not in memory. */
  get state(): unknown {
    const made = this.#made;
    return made === undefined ? undefined : (this.#actor.durable?.stateOf(made) ?? made);
  }

  deliver(message: TestMessage): void {
    const forget = (): void => {
      this.#delivered.delete(message);
    };
    this.#delivered.add(message);
    message.answer.then(forget, forget);
    message.deliver(this.#handler);
  }

  /** Resolves when the actor has left memory. @throws what `passivate` threw */
  async passivate(reason: PassivateReason): Promise<void> {
    if (this.#isInMemory) {
      this.#asked ??= deferred();
      const { promise } = this.#asked;
      this.#ask(reason);
      try {
        await promise;
      } finally {
        this.#asked = undefined;
      }
    }
    await turn();
  }

  /** Ends the run without a trace, as a crash does. */
  crash(): void {
    this.#isOver = true;
    this.#left();
    for (const message of this.#delivered) message.end(new ClstrError('ABORTED', 'the node died'));
  }

  #ask(reason: PassivateReason): void {
    switch (reason) {
      case 'idle':
        this.#tellToLeave(this.#key);
        break;
      case 'evicted':
        // There is room for one actor, so that a filler makes the host evict this one.
        this.#tellToLeave(`${this.#key}~${++this.#fillers}`);
        break;
      case 'drain':
        void this.#handler.close().then(() => {
          this.#left();
        });
    }
  }

  #tellToLeave(key: string): void {
    const { nodeId, clock, logger } = this.#host;
    const message = new TestMessage({
      key,
      type: `${this.#actor.name}.${LEAVE}`,
      input: undefined,
      isNotify: false,
      options: { timeoutMs: MAX_DELAY_MS },
      nodeId,
      clock,
      log: logger,
    });
    this.deliver(message);
    message.answer.catch((error: unknown) => {
      // An actor that was never set up need not leave.
      if (this.#isInMemory) this.#asked?.reject(error);
      else this.#asked?.resolve();
    });
  }

  /** The same actor, except that this run observes its state and how it ends. */
  #watched(): Actor {
    const { methods, use, handlers, setup, passivate, discard, durable } = this.#actor;
    return {
      ...this.#actor,
      durable: durable && withoutFillers(durable),
      methods: { ...methods, [LEAVE]: request() },
      use: use.map(
        (middleware) => (context, next) => (context.method === LEAVE ? next() : middleware(context, next)),
      ),
      handlers: {
        ...handlers,
        [LEAVE]: (_state, _input, context) => {
          context.passivate();
        },
      },
      setup: (context) => (context.key === this.#key ? this.#setUp(() => setup(context)) : undefined),
      passivate: async (state, context) => {
        if (context.key !== this.#key) return;
        try {
          await Promise.race([passivate?.(state, context), aborted(context.signal)]);
        } catch (error) {
          this.#asked?.reject(error);
          throw error;
        }
        this.#left();
      },
      discard: (state, context) => {
        this.#left();
        return discard?.(state, context);
      },
    };
  }

  /** Stays synchronous if `setup` is. */
  #setUp(setup: () => unknown): unknown {
    const keep = (state: unknown): unknown => {
      if (!this.#isOver) this.#made = state;
      return state;
    };
    const fail = (error: unknown): never => {
      this.#isInMemory = false;
      throw error;
    };
    this.#isInMemory = true;
    try {
      const made = setup();
      return made instanceof Promise ? made.then(keep, fail) : keep(made);
    } catch (error) {
      return fail(error);
    }
  }

  #left(): void {
    this.#made = undefined;
    this.#isInMemory = false;
    this.#asked?.resolve();
  }

  #endingClock(): Clock {
    const { clock } = this.#host;
    return {
      monoMs: () => clock.monoMs(),
      wallMs: () => clock.wallMs(),
      timer: (fn, delayMs) =>
        clock.timer(() => {
          if (!this.#isOver) fn();
        }, delayMs),
      macrotask: (fn) => {
        clock.macrotask(fn);
      },
    };
  }

  #endingClient(): Caller {
    const { client } = this.#host;
    const checkAlive = (): void => {
      if (this.#isOver) throw new ClstrError('TRANSPORT_CLOSED', 'the node died');
    };
    return {
      requestKey: async (...args) => {
        checkAlive();
        return client.requestKey(...args);
      },
      notifyKey: async (...args) => {
        checkAlive();
        await client.notifyKey(...args);
      },
    };
  }
}

/** Actors that only make room have no state. */
function withoutFillers(durable: Durability): Durability {
  return {
    ...durable,
    turn: (isReadonly, call) => {
      const turn = durable.turn(isReadonly, call);
      return (state, input, context) => (state === undefined ? call : turn)(state, input, context);
    },
  };
}

/** Rejects with the reason of `signal`. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(signal.reason as Error);
    });
  });
}
