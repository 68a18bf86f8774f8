/** Durable counters of both kinds under plain calls, keyed calls with repeats by hand, and reads; and what must hold. */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { isClstrError, shardFromString } from '@clstr/core';
import type { Outcome } from '@clstr/core';
import { durableState, eventSourced } from '@clstr/durable';
import type { SimulatedClient, Workload } from '@clstr/testing';
import { checkCounters } from '@clstr/testing/history';
import type { Operation } from '@clstr/testing/history';
import type { MemoryStateStores } from '@clstr/transport-memory';

const methods = {
  add: request<{ id: number }, number>(),
  slow: request<{ id: number }, number>(),
  spoil: request<{ id: number }, number>(),
  read: request<void, number>({ readonly: true }),
};
const State = defineActor('state', methods);
const Events = defineActor('events', methods);
type Kind = 'state' | 'events';

const KEYS = Array.from({ length: 8 }, (_, i) => `key-${i}`);
const NUM_SHARDS = 16;
const CALLS_PER_CLIENT = 120;
const TIMEOUTS_MS = [200, 1_000, 5_000];
/** Actors leave memory often, and load what they have stored. */
const IDLE_MS = 500;
/** The longest pause between a keyed call and its repetition by hand: longer than a crash takes. */
const MAX_PAUSE_MS = 8_000;

/** The ids of the calls that have taken effect, in their order. */
interface Counted {
  ids: number[];
}

/** What a handler waits for, in virtual time. */
type Sleep = () => Promise<void>;

const stateWith = (sleep: Sleep) =>
  State.implement({
    idleMs: IDLE_MS,
    durable: durableState<Counted>({ initial: () => ({ ids: [] }) }),
    handlers: {
      add: (counted, { id }) => counted.ids.push(id),
      async slow(counted, { id }) {
        const value = counted.ids.push(id);
        await sleep();
        return value;
      },
      async spoil(counted, { id }) {
        counted.ids.push(id);
        await sleep();
        throw new Error('spoilt');
      },
      read: ({ ids }) => ids.length,
    },
  });

const eventsWith = (sleep: Sleep) =>
  Events.implement({
    idleMs: IDLE_MS,
    durable: eventSourced({
      initial: (): Counted => ({ ids: [] }),
      events: { added: ({ ids }, id: number): Counted => ({ ids: [...ids, id] }) },
      snapshotEvery: 7,
    }),
    handlers: {
      add: (_counted, { id }, ctx) => ctx.emit('added', id).ids.length,
      async slow(_counted, { id }, ctx) {
        const { ids } = ctx.emit('added', id);
        await sleep();
        return ids.length;
      },
      async spoil(_counted, { id }, ctx) {
        ctx.emit('added', id);
        await sleep();
        throw new Error('spoilt');
      },
      read: ({ ids }) => ids.length,
    },
  });

interface DurableCall {
  readonly client: number;
  readonly kind: Kind;
  readonly key: string;
  readonly op: 'add' | 'slow' | 'spoil' | 'read';
  readonly isKeyed: boolean;
  readonly invokedAt: number;
  endedAt: number | undefined;
  outcome: 'pending' | 'ok' | Outcome;
  value: number | undefined;
  /** The first reply, where the call was made again after it. */
  again: number | undefined;
}

export class DurableLoad {
  readonly actors: readonly Actor[];
  readonly #calls: DurableCall[] = [];
  #clockMs = 0;
  #sleep: (ms: number) => Promise<void> = () => Promise.resolve();
  #handlers = 0;

  constructor() {
    // Handlers take 0 to 60 ms in turn.
    const sleep: Sleep = () => this.#sleep((this.#handlers++ % 7) * 10);
    this.actors = [stateWith(sleep), eventsWith(sleep)];
  }

  readonly workload: Workload = async (client) => {
    this.#sleep = client.sleep;
    for (let n = 0; !client.isOver() && n < CALLS_PER_CLIENT; n++) {
      void this.#call(client);
      await client.sleep(client.random.next() * 250);
    }
  };

  readonly check = (states: MemoryStateStores): readonly string[] => {
    const problems: string[] = [];
    if (this.#count('ok') < 100) problems.push(`only ${this.#count('ok')} durable calls succeeded`);
    for (const kind of ['state', 'events'] as const) {
      for (const key of KEYS) problems.push(...this.#checkKey(kind, key, storedIds(states, kind, key)));
    }
    return problems;
  };

  /** What became of the calls. */
  get counts(): { calls: number; ok: number; notExecuted: number; unknown: number } {
    return {
      calls: this.#calls.length,
      ok: this.#count('ok'),
      notExecuted: this.#count('not-executed'),
      unknown: this.#count('unknown'),
    };
  }

  async #call({ client, number, random, sleep }: SimulatedClient): Promise<void> {
    const kind = random.pick(['state', 'events'] as const);
    const op = random.pick(['add', 'add', 'add', 'slow', 'read', 'read', 'spoil'] as const);
    const id = this.#calls.length;
    const call: DurableCall = {
      client: number,
      kind,
      key: random.pick(KEYS),
      op,
      isKeyed: isWrite(op) && random.next() < 0.6,
      invokedAt: this.#tick(),
      endedAt: undefined,
      outcome: 'pending',
      value: undefined,
      again: undefined,
    };
    this.#calls.push(call);
    const ref = (kind === 'state' ? State : Events).ref(client, call.key);
    const attempts = call.isKeyed ? random.int(1, 4) : 1;
    const idempotencyKey = call.isKeyed ? `call-${id}` : undefined;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const options = { timeoutMs: random.pick(TIMEOUTS_MS), idempotencyKey };
      try {
        const value = op === 'read' ? await ref.read(undefined, options) : await ref[op]({ id }, options);
        if (call.outcome === 'ok') call.again = value;
        else this.#ended(call, 'ok', value);
      } catch (error) {
        if (!isClstrError(error)) throw error;
        this.#failed(call, error.outcome);
      }
      await sleep(random.next() * MAX_PAUSE_MS);
    }
  }

  #ended(call: DurableCall, outcome: 'ok' | Outcome, value?: number): void {
    call.outcome = outcome;
    call.value = value;
    call.endedAt = this.#tick();
  }

  /** What may have run once may have run, whatever later attempts say. */
  #failed(call: DurableCall, outcome: Outcome): void {
    if (call.outcome === 'ok') return;
    this.#ended(call, call.outcome === 'pending' || call.outcome === 'not-executed' ? outcome : call.outcome);
  }

  #checkKey(kind: Kind, key: string, ids: readonly number[]): string[] {
    const problems: string[] = [];
    const times = new Map<number, number>();
    for (const id of ids) times.set(id, (times.get(id) ?? 0) + 1);
    const operations: Operation[] = [];
    this.#calls.forEach((call, id) => {
      if (call.kind !== kind || call.key !== key) return;
      const took = times.get(id) ?? 0;
      const name = `${kind}/${key}: call ${id} (${call.op}, ${call.isKeyed ? 'keyed' : 'plain'}, ${call.outcome})`;
      if (took > 1) problems.push(`${name} took effect ${took} times`);
      if (call.op === 'spoil') {
        if (took > 0) problems.push(`${name} has thrown, and left a trace`);
        return;
      }
      if (call.outcome === 'not-executed' && took > 0) problems.push(`${name} took effect`);
      if (isWrite(call.op) && call.outcome === 'ok' && took === 0) problems.push(`${name} is lost`);
      if (call.again !== undefined && call.again !== call.value) {
        problems.push(`${name} was answered with ${call.value} and then with ${call.again}`);
      }
      operations.push(...operationsOf(call, took));
    });
    const endedAt = this.#tick();
    const stored = { process: 'store', key, op: 'get', invokedAt: endedAt, endedAt, outcome: 'ok' } as const;
    const verdict = checkCounters([...operations, { ...stored, value: ids.length }]);
    return [...problems, ...verdict.violations.map(({ explanation }) => `${kind}/${key}: ${explanation}`)];
  }

  #count(outcome: DurableCall['outcome']): number {
    return this.#calls.filter((call) => call.outcome === outcome).length;
  }

  /** Places events in order; no two happen at the same time. */
  #tick(): number {
    return ++this.#clockMs;
  }
}

function isWrite(op: DurableCall['op']): boolean {
  return op === 'add' || op === 'slow';
}

function operationsOf(call: DurableCall, took: number): Operation[] {
  const { client, key, op, invokedAt, endedAt, outcome, value } = call;
  const fields = { process: `client-${client}`, key, op: op === 'read' ? 'get' : 'increment', invokedAt };
  if (outcome === 'ok') return [{ ...fields, outcome, endedAt, value }];
  return isWrite(op) && took > 0 ? [{ ...fields, outcome: 'unknown' }] : [];
}

function storedIds(states: MemoryStateStores, kind: Kind, key: string): number[] {
  const keeps = kind === 'state' ? 'newest' : 'all';
  const { records } = states.peek({ space: kind, keeps, shard: shardFromString(key, NUM_SHARDS), key });
  let ids: number[] = [];
  for (const { bytes, isWhole } of records) {
    const { state: whole, events: added = [] } = JSON.parse(new TextDecoder().decode(bytes)) as {
      state?: [number, Counted];
      events?: [string, number, number][];
    };
    if (isWhole) ids = whole?.[1].ids ?? [];
    else ids = [...ids, ...added.map(([, , id]) => id)];
  }
  return ids;
}
