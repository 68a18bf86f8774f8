/**
 * The promise of an actor, checked over any transport: for random schedules of concurrent calls on random keys from
 * several clients, what every key did is one serial order, and what the callers saw agrees with it.
 */
import { actorHandler, defineActor, notify, request } from '@clstr/actors';
import type { Ref } from '@clstr/actors';
import { createClient, createNode, isClstrError, shardsForNode } from '@clstr/core';
import type { Client, Transport } from '@clstr/core';
import fc from 'fast-check';

export interface OrderRun {
  /** One transport per member of the cluster; all reach each other, and nobody of an earlier cluster. */
  openCluster(): Promise<{ connect(): Promise<Transport> }>;
  numRuns: number;
  seed: number;
}

const CLIENTS = 3;
const NODES = ['node-1', 'node-2'];
const KEYS = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'];
const NUM_SHARDS = 16;

interface Step {
  kind: 'write' | 'read' | 'tell' | 'leave';
  client: number;
  key: number;
  /** Turns of the event loop that the handler takes; 0 answers in the call that brings the message. */
  turns: number;
  /** Turns of the event loop after which the caller gives up. */
  patience: number;
  /** Whether the schedule waits for the end of everything so far before it goes on. */
  isBarrier: boolean;
}

interface Schedule {
  /** Actors per node: fewer than keys makes them come and go. */
  cacheSize: number;
  mailbox: number;
  setupTurns: number;
  passivateTurns: number;
  steps: Step[];
}

/** Refused notifies are sent again, later, so they are only in schedules that refuse none. */
const schedules: fc.Arbitrary<Schedule> = fc.boolean().chain((isRoomy) =>
  fc.record({
    cacheSize: isRoomy ? fc.constant(KEYS.length) : fc.integer({ min: 1, max: 3 }),
    mailbox: isRoomy ? fc.constant(1_024) : fc.integer({ min: 1, max: 8 }),
    setupTurns: fc.nat(2),
    passivateTurns: fc.nat(2),
    steps: fc.array(
      fc.record({
        kind: fc.constantFrom('write', 'write', 'write', 'read', 'read', 'leave', isRoomy ? 'tell' : 'write'),
        client: fc.nat(CLIENTS - 1),
        key: fc.nat(KEYS.length - 1),
        turns: fc.nat(3),
        patience: fc.oneof(
          { weight: 4, arbitrary: fc.constant(Infinity) },
          { weight: 1, arbitrary: fc.nat(6) },
        ),
        isBarrier: fc.integer({ min: 0, max: 9 }).map((n) => n === 0),
      }),
      { minLength: 1, maxLength: 80 },
    ),
  }),
);

const Log = defineActor('log', {
  write: request<Message, number>(),
  read: request<Message, number>({ readonly: true }),
  tell: notify<Message>(),
  leave: request<Message, number>(),
});

interface Message {
  /** `<client>:<number>`, numbered in sending order. */
  id: string;
  turns: number;
}

/** What one key did, as its handlers saw it. */
interface History {
  /** Ids of all messages, in the order in which their handlers began. */
  readonly began: string[];
  /** Ids of the messages that changed the state, in the order in which they did. */
  written: string[];
  writers: number;
  readers: number;
  alive: number;
}

/** What a caller saw. `sentAt` and `endedAt` count the events of the whole schedule. */
interface Seen {
  readonly step: Step;
  readonly id: string;
  readonly sentAt: number;
  endedAt: number;
  position: number | undefined;
  refusedAs: string | undefined;
  /** Its caller gave up: it may have run or not. */
  isAborted: boolean;
}

/** @throws the counterexample, with its seed */
export async function checkActorOrder({ openCluster, numRuns, seed }: OrderRun): Promise<void> {
  await fc.assert(
    fc.asyncProperty(schedules, async (schedule) => {
      const world = new World(schedule);
      await world.play(await openCluster());
      const problems = world.problems();
      if (problems.length > 0) throw new Error(problems.join('\n'));
    }),
    { numRuns, seed, endOnFailure: true },
  );
}

class World {
  readonly #schedule: Schedule;
  readonly #histories = new Map<string, History>();
  readonly #seen: Seen[] = [];
  readonly #broken: string[] = [];
  #events = 0;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
    for (const key of KEYS) {
      this.#histories.set(key, { began: [], written: [], writers: 0, readers: 0, alive: 0 });
    }
  }

  async play(cluster: { connect(): Promise<Transport> }): Promise<void> {
    const transports: Transport[] = [];
    const connect = async (): Promise<Transport> => {
      const transport = await cluster.connect();
      transports.push(transport);
      return transport;
    };
    const nodes = await Promise.all(
      NODES.map(async (id) => {
        const shards = shardsForNode(id, NODES, NUM_SHARDS);
        const handler = actorHandler([this.#actor()], { cacheSize: this.#schedule.cacheSize });
        const node = createNode({ id, transport: await connect(), numShards: NUM_SHARDS, shards, handler });
        await node.start();
        return node;
      }),
    );
    const clients: Client[] = [];
    for (let i = 0; i < CLIENTS; i++) {
      clients.push(createClient({ transport: await connect(), numShards: NUM_SHARDS }));
    }
    let calls: Promise<void>[] = [];
    for (const [index, step] of this.#schedule.steps.entries()) {
      calls.push(
        this.#send(Log.ref(clients[step.client]!, KEYS[step.key]!), `${step.client}:${index}`, step),
      );
      if (!step.isBarrier) continue;
      await Promise.all(calls);
      calls = [];
    }
    await Promise.all(calls);
    // Behind its notifies, which resolve when they leave: what each client sends next to the same key.
    await Promise.all(
      clients.flatMap((client, number) =>
        KEYS.map((key, index) =>
          this.#send(Log.ref(client, key), `${number}:${LAST + index}`, lastStep(number, index)),
        ),
      ),
    );
    await Promise.all(nodes.map((node) => node.drain()));
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(transports.map((transport) => transport.close()));
  }

  /** What contradicts the promises, in words; empty when all is well. */
  problems(): string[] {
    return [...this.#broken, ...KEYS.flatMap((key) => this.#problemsOf(key))];
  }

  #actor() {
    const { mailbox, setupTurns, passivateTurns } = this.#schedule;
    const historyOf = (key: string): History => this.#histories.get(key)!;
    const write = async (
      state: string[],
      { id, turns }: Message,
      { key }: { key: string },
    ): Promise<number> => {
      const history = historyOf(key);
      history.began.push(id);
      if (++history.writers > 1 || history.readers > 0)
        this.#broken.push(`${key}: ${id} overlaps another handler`);
      const before = state.length;
      await eventLoopTurns(turns);
      if (state.length !== before) this.#broken.push(`${key}: the state changed under ${id}`);
      state.push(id);
      history.writers--;
      return state.length;
    };
    return Log.implement<string[]>({
      setup: async ({ key }) => {
        if (++historyOf(key).alive > 1) this.#broken.push(`${key}: two activations are alive`);
        await eventLoopTurns(setupTurns);
        return [...historyOf(key).written];
      },
      handlers: {
        write,
        tell: write,
        leave: (state, message, ctx) => {
          ctx.passivate();
          return write(state, message, ctx);
        },
        read: async (state, { id, turns }, { key }) => {
          const history = historyOf(key);
          history.began.push(id);
          history.readers++;
          if (history.writers > 0) this.#broken.push(`${key}: ${id} reads while another writes`);
          const before = state.length;
          await eventLoopTurns(turns);
          if (state.length !== before) this.#broken.push(`${key}: the state changed under the reader ${id}`);
          history.readers--;
          return state.length;
        },
      },
      passivate: async (state, { key }) => {
        const history = historyOf(key);
        if (history.writers + history.readers > 0) this.#broken.push(`${key}: passivated while it works`);
        await eventLoopTurns(passivateTurns);
        history.written = [...state];
        history.alive--;
      },
      mailbox,
    });
  }

  async #send(ref: Ref<typeof Log.methods>, id: string, step: Step): Promise<void> {
    const seen: Seen = {
      step,
      id,
      sentAt: ++this.#events,
      endedAt: 0,
      position: undefined,
      refusedAs: undefined,
      isAborted: false,
    };
    this.#seen.push(seen);
    const abort = new AbortController();
    if (step.patience < Infinity) void eventLoopTurns(step.patience).then(() => abort.abort());
    try {
      seen.position =
        (await ref[step.kind]({ id, turns: step.turns }, { signal: abort.signal })) ?? undefined;
    } catch (error) {
      seen.isAborted = isClstrError(error, 'ABORTED');
      if (isClstrError(error, 'OVERLOADED') && error.outcome === 'not-executed') seen.refusedAs = error.code;
      else if (!seen.isAborted) throw error;
    }
    seen.endedAt = ++this.#events;
  }

  #problemsOf(key: string): string[] {
    const found: string[] = [];
    const { began, written, alive } = this.#histories.get(key)!;
    const calls = this.#seen.filter(({ step }) => KEYS[step.key] === key);
    const kindOf = new Map(calls.map(({ id, step }) => [id, step.kind]));
    if (alive !== 0) found.push(`${key}: ${alive} activations were not passivated`);
    if (new Set(began).size < began.length) found.push(`${key}: a message ran twice: ${began.join(' ')}`);
    const changes = began.filter((id) => kindOf.get(id) !== 'read');
    if (changes.join() !== written.join()) {
      found.push(`${key}: handlers began as ${changes.join(' ')}, but the state has ${written.join(' ')}`);
    }
    for (let client = 0; client < CLIENTS; client++) {
      const numbers = began.filter((id) => id.startsWith(`${client}:`)).map((id) => Number(id.slice(2)));
      if (numbers.some((n, i) => i > 0 && n < numbers[i - 1]!)) {
        found.push(`${key}: client ${client} sent in order, but they ran as ${numbers.join(' ')}`);
      }
    }
    for (const call of calls) {
      const didRun = began.includes(call.id);
      if (!call.isAborted && didRun === (call.refusedAs !== undefined))
        found.push(`${key}: ${call.id} ran: ${didRun}, yet ${call.refusedAs}`);
      if (
        call.step.kind === 'write' &&
        call.position !== undefined &&
        written[call.position - 1] !== call.id
      ) {
        found.push(`${key}: ${call.id} was told it is number ${call.position} of ${written.join(' ')}`);
      }
    }
    found.push(...outOfTime(key, calls));
    return found;
  }
}

/** A number beyond those of the schedule. */
const LAST = 1_000_000;

function lastStep(client: number, key: number): Step {
  return { kind: 'read', client, key, turns: 0, patience: Infinity, isBarrier: false };
}

/** What ended before something else was sent must come before it in the order that the callers saw. */
function outOfTime(key: string, calls: readonly Seen[]): string[] {
  const answered = calls.filter(({ position }) => position !== undefined);
  return answered.flatMap((later) =>
    answered
      .filter((earlier) => earlier.endedAt < later.sentAt && earlier.position! > later.position!)
      .map(
        (earlier) =>
          `${key}: ${earlier.id} ended at ${earlier.position} before ${later.id} at ${later.position}`,
      ),
  );
}

async function eventLoopTurns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
