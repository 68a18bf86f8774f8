/** One actor without a bus: its real mailbox and life cycle, driven message by message on a fake clock. */
import type { Actor, Caller, Contract, Methods, PassivateReason, Ref } from '@clstr/actors';
import type { CallOptions } from '@clstr/core';
import { messageType } from '@clstr/actors/internal';
import type { OptionsArgument } from '@clstr/actors/internal';
import type { Resolved, Spec } from '@clstr/core/internal';
import {
  handedOn,
  inBackground,
  invalidOption,
  methods,
  oneOf,
  optional,
  orMade,
  resolve,
  text,
} from '@clstr/core/internal';
import { memoryStateStore } from '@clstr/transport-memory';
import type { MemoryStateStores } from '@clstr/transport-memory';
import { ActorLife } from './actor-life.ts';
import { fakeClock } from './fake-clock.ts';
import type { FakeClock } from './fake-clock.ts';
import { FakeCaller } from './fake-ref.ts';
import type { FakeRef, SentCall } from './fake-ref.ts';
import { recordLog } from './log-record.ts';
import type { LogRecord, RecordedLogger } from './log-record.ts';
import { TestMessage } from './test-message.ts';
import { turn } from './turn.ts';

export interface TestActorOptions<Services = unknown> {
  /** The key of the actor. Default `test`. */
  key?: string | undefined;
  /** What the actor needs, and gets as `ctx.services`; required if it needs anything. */
  services?: Services | undefined;
  /** Where a durable actor keeps its state: a `memoryStateStore()`. Default: a new one. */
  store?: MemoryStateStores | undefined;
  /** Default: a new one. */
  clock?: FakeClock | undefined;
  /** The fakes, made by `fakeRef`, that answer the actor's calls through `ctx.ref`. */
  refs?: readonly FakeRef[] | undefined;
  /**
   * Whether calls reach the actor's mailbox at once, or wait until `step` or `run` delivers them. Default `at-once`.
   */
  delivery?: 'at-once' | 'by-step' | undefined;
}

export interface ActorUnderTest<M extends Methods, State> {
  /**
   * A ref to the actor. A call fails with the very error that the handler threw, where a caller over a bus would get
   * `INTERNAL`; a notify fails like this too, where such a caller would see no error.
   */
  readonly call: Ref<M>;
  readonly clock: FakeClock;
  /** The actor's calls through `ctx.ref`, in order. */
  readonly sent: readonly SentCall[];
  /** The log records of the actor and of its host, such as the failure of a timer or of a notify to itself. */
  readonly logged: readonly LogRecord[];
  /** The number of calls that no `step` has delivered yet. */
  readonly waiting: number;
  /** Returns the state object itself; undefined while the actor is not in memory. */
  state(): State | undefined;
  /**
   * Delivers one call to the mailbox, and lets the actor run as far as it can without another call and without time.
   * Resolves with false when no call waited.
   */
  step(): Promise<boolean>;
  /** Delivers calls until none waits, including those that arrive in the meantime. */
  run(): Promise<void>;
  /**
   * Passivates the actor once it is idle and each timer set by `ctx.after` has run: advance the clock for them. The
   * next call activates it again. Does nothing while the actor is not in memory. With `evicted` the actor must be idle
   * now, or this fails as `OVERLOADED`; with `drain` it waits 2 s for running work, then discards the actor.
   *
   * @throws what `passivate` threw
   */
  passivate(reason?: PassivateReason): Promise<void>;
  /**
   * Simulates a crash of the node: the actor loses its state without `passivate` or `discard`. Calls that had reached
   * it fail as `ABORTED`; those that wait for a step reach the next activation.
   */
  restart(): void;
}

/**
 * Puts one actor under test. It needs no `close`.
 *
 * @throws INVALID_OPTION
 */
export function testActor<M extends Methods, State, Services>(
  contract: Contract<string, M>,
  actor: Actor<State, Services>,
  ...[options = {}]: OptionsArgument<TestActorOptions<Services>, Services>
): ActorUnderTest<M, State> {
  if (contract.name !== actor.name) {
    throw invalidOption(OWNER, 'actor', actor.name, `the implementation of ${JSON.stringify(contract.name)}`);
  }
  return new TestActor({ ...resolve(OWNER, testActorSpec, options), contract, actor: actor as Actor });
}

const OWNER = 'testActor';

export const testActorSpec: Spec<Resolved<TestActorOptions, 'services' | 'store'>> = {
  key: text('test', /[^]/, 'a non-empty string'),
  services: handedOn(),
  store: optional(methods(['connect'])),
  clock: orMade(handedOn(), fakeClock),
  refs: orMade(handedOn(), () => []),
  delivery: oneOf(['at-once', 'by-step'], 'at-once'),
};

type TestActorParts<M extends Methods> = Resolved<TestActorOptions, 'services' | 'store'> & {
  contract: Contract<string, M>;
  actor: Actor;
};

class TestActor<M extends Methods, State> implements ActorUnderTest<M, State> {
  readonly call: Ref<M>;
  readonly clock: FakeClock;
  readonly #options: TestActorParts<M>;
  readonly #log: RecordedLogger = recordLog();
  readonly #others: FakeCaller;
  readonly #store: MemoryStateStores;
  #waiting: TestMessage[] = [];
  #life: ActorLife;

  constructor(options: TestActorParts<M>) {
    this.#options = options;
    this.clock = options.clock;
    this.#store = options.store ?? memoryStateStore({ clock: options.clock });
    this.#others = new FakeCaller(options.refs, options.clock);
    this.#life = this.#newLife();
    this.call = options.contract.ref(
      {
        requestKey: (_key, type, input, callOptions) => this.#accept(type, input, false, callOptions),
        notifyKey: async (_key, type, input, callOptions) => {
          await this.#accept(type, input, true, callOptions);
        },
      },
      options.key,
    );
  }

  get logged(): readonly LogRecord[] {
    return this.#log.lines;
  }

  get sent(): readonly SentCall[] {
    return this.#others.sent;
  }

  get waiting(): number {
    return this.#waiting.filter((message) => !message.isDone).length;
  }

  state(): State | undefined {
    return this.#life.state as State | undefined;
  }

  async step(): Promise<boolean> {
    let next = this.#waiting.shift();
    while (next?.isDone === true) next = this.#waiting.shift();
    if (next !== undefined) this.#life.deliver(next);
    await turn();
    return next !== undefined;
  }

  async run(): Promise<void> {
    while (await this.step());
  }

  async passivate(reason: PassivateReason = 'idle'): Promise<void> {
    const life = this.#life;
    try {
      await life.passivate(reason);
    } finally {
      if (reason === 'drain' && this.#life === life) this.#life = this.#newLife();
    }
  }

  restart(): void {
    this.#life.crash();
    this.#life = this.#newLife();
  }

  #newLife(): ActorLife {
    const { actor, key, clock, services } = this.#options;
    const client = this.#caller();
    const store = this.#store.connect({ clock });
    return new ActorLife(actor, key, { nodeId: NODE_ID, clock, services, store, client, logger: this.#log });
  }

  async #accept<T>(type: string, input: unknown, isNotify: boolean, options: CallOptions = {}): Promise<T> {
    const { key, clock, delivery } = this.#options;
    const log = this.#log;
    const message = new TestMessage({ key, type, input, isNotify, options, nodeId: NODE_ID, clock, log });
    if (delivery === 'by-step') this.#waiting.push(message);
    else if (!message.isDone) this.#life.deliver(message);
    return (await message.answer) as T;
  }

  /** The caller behind `ctx.ref`: fakes, except that a notify to itself comes back as a message in a later turn. */
  #caller(): Caller {
    const { actor, key: ownKey } = this.#options;
    const ownTypes = new Set(
      Object.entries(actor.methods).map(([name, method]) => messageType(actor.name, name, method)),
    );
    return {
      requestKey: (key, type, input, options) => this.#others.requestKey(key, type, input, options),
      notifyKey: async (key, type, input, options) => {
        const isOwn = key === ownKey && ownTypes.has(type);
        if (!isOwn) return this.#others.notifyKey(key, type, input, options);
        await Promise.resolve();
        inBackground(this.#accept(type, input, true, options), `the notify ${type} to itself`, this.#log);
      },
    };
  }
}

const NODE_ID = 'test-node';
