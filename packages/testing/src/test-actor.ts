/** One actor without a bus: its real mailbox and life, driven message by message on a clock that stands still. */
import type { Actor, Caller, Contract, Methods, PassivateReason, Ref, Services } from '@clstr/actors';
import type { CallOptions, Logger } from '@clstr/core';
import { messageType } from '@clstr/actors/internal';
import type { Resolved, Spec } from '@clstr/core/internal';
import { handedOn, inBackground, invalidOption, oneOf, orMade, resolve, text } from '@clstr/core/internal';
import { ActorLife } from './actor-life.ts';
import { fakeClock } from './fake-clock.ts';
import type { FakeClock } from './fake-clock.ts';
import { FakeCaller } from './fake-ref.ts';
import type { FakeRef, SentCall } from './fake-ref.ts';
import { recordLogs } from './log-record.ts';
import type { LogRecord } from './log-record.ts';
import { TestMessage } from './test-message.ts';
import { turn } from './turn.ts';

export interface TestActorOptions {
  /** The key of the actor. Default `test`. */
  key?: string | undefined;
  /** Given to the actor's code as `ctx.services`. */
  services?: Services | undefined;
  /** Default: a new one. */
  clock?: FakeClock | undefined;
  /** Who answers what the actor calls through `ctx.ref`, made by `fakeRef`. */
  refs?: readonly FakeRef[] | undefined;
  /**
   * Whether calls reach the actor's mailbox at once, or wait until `step` or `run` brings them there. Default
   * `at-once`.
   */
  delivery?: 'at-once' | 'by-step' | undefined;
}

export interface ActorUnderTest<M extends Methods, State> {
  /**
   * The actor, as a caller has it. A call fails with the very error that the handler threw, where a caller over a bus
   * sees `INTERNAL`; that of a notify too, where such a caller sees nothing.
   */
  readonly call: Ref<M>;
  readonly clock: FakeClock;
  /** What the actor called through `ctx.ref`, in order. */
  readonly sent: readonly SentCall[];
  /** What it logged, and what was logged about it: a timer or a notify to itself that failed, for one. */
  readonly logged: readonly LogRecord[];
  /** Calls that no `step` has brought to the actor yet. */
  readonly waiting: number;
  /** Its state, the object itself; undefined while it is not in memory. */
  state(): State | undefined;
  /**
   * Brings one call to the mailbox, and lets the actor go on as far as it can without another one and without time.
   * False when none waited.
   */
  step(): Promise<boolean>;
  /** Steps until no call waits, those that come meanwhile included. */
  run(): Promise<void>;
  /**
   * Passivates the actor once it has nothing to do, and each timer set by `ctx.after` has run: advance the clock for
   * them. The next call starts it anew. Does nothing when it is not in memory. `evicted` wants it idle now, or fails as `OVERLOADED`; `drain` waits 2 s for what runs, then discards.
   *
   * @throws what `passivate` threw
   */
  passivate(reason?: PassivateReason): Promise<void>;
  /**
   * As if its node had died and come back: what is in memory is gone, and nobody was asked. Calls that had reached it
   * fail as `ABORTED`; those that wait for a step reach the next activation.
   */
  restart(): void;
}

/**
 * Puts one actor under test. There is nothing to close.
 *
 * @throws INVALID_OPTION
 */
export function testActor<M extends Methods, State>(
  contract: Contract<string, M>,
  actor: Actor<State>,
  options: TestActorOptions = {},
): ActorUnderTest<M, State> {
  if (contract.name !== actor.name) {
    throw invalidOption(OWNER, 'actor', actor.name, `the implementation of ${JSON.stringify(contract.name)}`);
  }
  return new Stage({ ...resolve(OWNER, testActorSpec, options), contract, actor });
}

const OWNER = 'testActor';

export const testActorSpec: Spec<Resolved<TestActorOptions, 'services'>> = {
  key: text('test', /[^]/, 'a key'),
  services: handedOn(),
  clock: orMade(handedOn(), fakeClock),
  refs: orMade(handedOn(), () => []),
  delivery: oneOf(['at-once', 'by-step'], 'at-once'),
};

type StageOptions<M extends Methods> = Resolved<TestActorOptions, 'services'> & {
  contract: Contract<string, M>;
  actor: Actor;
};

class Stage<M extends Methods, State> implements ActorUnderTest<M, State> {
  readonly call: Ref<M>;
  readonly clock: FakeClock;
  readonly logged: LogRecord[] = [];
  readonly #options: StageOptions<M>;
  readonly #log: Logger;
  readonly #others: FakeCaller;
  #waiting: TestMessage[] = [];
  #life: ActorLife;

  constructor(options: StageOptions<M>) {
    this.#options = options;
    this.clock = options.clock;
    this.#log = recordLogs(this.logged);
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
    return new ActorLife(actor, key, { nodeId: NODE_ID, clock, services, client, logger: this.#log });
  }

  async #accept<T>(type: string, input: unknown, isNotify: boolean, options: CallOptions = {}): Promise<T> {
    const { key, clock, delivery } = this.#options;
    const log = this.#log;
    const message = new TestMessage({ key, type, input, isNotify, options, nodeId: NODE_ID, clock, log });
    if (delivery === 'by-step') this.#waiting.push(message);
    else if (!message.isDone) this.#life.deliver(message);
    return (await message.answer) as T;
  }

  /** Other actors are fakes; a notify to itself comes back as a message, in a later turn of the actor. */
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
