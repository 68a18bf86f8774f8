/** The default load of a run: counters that write to a fenced store before they answer, and clients that add. */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { isClstrError, shardFromString } from '@clstr/core';
import type { Client } from '@clstr/core';
import type { OutboundEntry } from '@clstr/core/wire';
import { checkCounters } from '../checkers/counter-check.ts';
import type { Operation } from '../checkers/operation.ts';
import type { BucketLosses } from './bucket-losses.ts';
import { incrementsOf } from './counter-history.ts';
import type { CounterCall } from './counter-history.ts';
import { DistantStore } from './distant-store.ts';
import { ownerOf } from './exclusion.ts';
import type { Exclusion } from './exclusion.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { NUM_SHARDS } from './world.ts';
import type { World } from './world.ts';

const Counter = defineActor('counter', { add: request<{ id: number }, number>() });

const KEYS = Array.from({ length: 24 }, (_, i) => `key-${i}`);
/** Caches hashes: hashing for each message would take a tenth of a run. */
const SHARDS = new Map(KEYS.map((key) => [key, shardFromString(key, NUM_SHARDS)]));
const CALLS_PER_RUN = 1_000;
const TIMEOUTS_MS = [200, 1_000, 5_000];
/** How long a key may take to answer after all faults. */
const PROBE_MS = 5_000;
/** How much later than its deadline a call may end, because the client's timers are coarse. */
const LATE_MS = 100;

export class CounterLoad {
  readonly calls: CounterCall[] = [];
  readonly #world: World;
  readonly #exclusion: Exclusion;
  readonly #values: DistantStore;
  /** For each client, key and lease, the last started call that was never repeated. */
  readonly #lastStarted = new Map<string, number>();

  constructor(world: World, exclusion: Exclusion) {
    this.#world = world;
    this.#exclusion = exclusion;
    this.#values = new DistantStore(world.clock, () => 0.2 + world.network.next() * 3);
  }

  actor(self: SimulatedNode): Actor {
    return Counter.implement({
      onError: 'restart',
      setup: async (ctx) => ({ value: await this.#values.claim(self.clock, ctx.key, ctx.fencingToken!) }),
      handlers: {
        add: async (state, { id }, ctx) => {
          const call = this.calls[id]!;
          this.#onStart(call, self, ctx.epoch!);
          const shard = SHARDS.get(ctx.key)!;
          const owner = { ...ownerOf(self, shard), epoch: ctx.epoch! };
          const ended = this.#exclusion.started(self, owner, `${id} ${call.starts}`, ctx.signal);
          this.#exclusion.check(self, shard);
          try {
            const slowMs = this.#slowMs();
            if (slowMs > 0) await new Promise<void>((resolve) => void self.clock.timer(resolve, slowMs));
            const next = state.value + 1;
            await this.#values.write(self.clock, ctx.key, next, ctx.fencingToken!);
            state.value = next;
            return next;
          } finally {
            ended();
          }
        },
      },
    });
  }

  /** Runs one client of `clients` for `spanMs`. */
  startClient(client: Client, number: number, random: SeededRandom, spanMs: number, clients: number): void {
    const { clock } = this.#world;
    const untilMs = clock.monoMs() + spanMs;
    const pauseMs = (2 * spanMs * clients) / CALLS_PER_RUN;
    const next = (): void => {
      if (clock.monoMs() > untilMs) return;
      const burst = random.chance(0.1) ? random.int(2, 12) : 1;
      const key = random.pick(KEYS);
      for (let i = 0; i < burst; i++) this.#call(client, number, random, key);
      clock.timer(next, random.next() * pauseMs * burst);
    };
    next();
  }

  /** Records how often each call was sent, for the check of their order. */
  onSend({ payload }: OutboundEntry): void {
    const { id } = JSON.parse(payload as string) as { id: number };
    this.calls[id]!.sends++;
  }

  /** Checks that every key answers once all faults are over, unless its token is above all epochs that are known. */
  async probe(losses: BucketLosses): Promise<void> {
    const w = this.#world;
    const random = w.random.fork();
    const before = this.calls.length;
    for (const key of KEYS) this.#call(w.clients[0]!, 0, random, key, PROBE_MS);
    const probes = this.calls.slice(before);
    await w.passUntil(() => probes.every(({ outcome }) => outcome !== 'pending'), PROBE_MS + 1_000);
    for (const { key, outcome } of probes) {
      if (losses.hasForgotten(SHARDS.get(key)!, this.#values.tokenOf(key))) continue;
      if (outcome === 'not-executed' || outcome === 'pending') {
        w.oracle.violated('L2', `${key} does not answer after all faults are over: ${outcome}`);
      }
    }
  }

  /** Checks LIN: one order of the increments explains all answers and what is stored at the end. */
  check(): void {
    const nowMs = this.#world.clock.monoMs();
    const stored = KEYS.map((key): Operation => {
      const value = this.#values.valueOf(key);
      return { process: 'store', key, op: 'get', invokedAt: nowMs, endedAt: nowMs, outcome: 'ok', value };
    });
    const verdict = checkCounters([...this.calls.flatMap(incrementsOf), ...stored]);
    for (const { key, explanation } of verdict.violations) {
      this.#world.oracle.violated('LIN', `${key}: ${explanation}`);
    }
  }

  count(outcome: CounterCall['outcome']): number {
    return this.calls.reduce((sum, call) => sum + (call.outcome === outcome ? 1 : 0), 0);
  }

  #call(
    client: Client,
    number: number,
    random: SeededRandom,
    key: string,
    timeoutMs: number = random.pick(TIMEOUTS_MS),
  ): void {
    const { clock, oracle } = this.#world;
    const call: CounterCall = {
      key,
      id: this.calls.length,
      client: number,
      invokedMs: clock.monoMs(),
      endedMs: undefined,
      value: undefined,
      outcome: 'pending',
      starts: 0,
      sends: 0,
      isIdempotent: random.chance(0.2),
    };
    this.calls.push(call);
    const options = { timeoutMs, idempotent: call.isIdempotent };
    void Counter.ref(client, key)
      .add({ id: call.id }, options)
      .then(
        (value) => this.#ended(call, 'ok', value),
        (error: unknown) => {
          if (!isClstrError(error)) throw error;
          this.#ended(call, error.outcome, undefined);
          oracle.trace(`call ${call.id} failed: ${error.code}`);
          if (error.outcome === 'not-executed' && call.starts > 0) {
            oracle.violated(
              'S6',
              `call ${call.id} ended as ${error.code}, not executed, but its handler ran`,
            );
          }
        },
      )
      .finally(() => {
        const lateMs = clock.monoMs() - call.invokedMs - timeoutMs;
        if (lateMs > LATE_MS) oracle.violated('L5', `call ${call.id} outlived its deadline by ${lateMs} ms`);
      });
  }

  /** How long a handler takes, apart from the time that it waits for the store. */
  #slowMs(): number {
    const { network: random, isSlow } = this.#world;
    if (!isSlow) return random.chance(0.03) ? random.next() * 50 : 0;
    return random.chance(0.05) ? random.next() * 3_000 : random.next() * 50;
  }

  #ended(call: CounterCall, outcome: CounterCall['outcome'], value: number | undefined): void {
    call.outcome = outcome;
    call.value = value;
    call.endedMs = this.#world.clock.monoMs();
    this.#world.oracle.trace(`call ${call.id} ${outcome} ${value}`);
  }

  #onStart(call: CounterCall, self: SimulatedNode, epoch: number): void {
    const { oracle } = this.#world;
    oracle.trace(`${self.processId} starts ${call.key} ${call.id} in epoch ${epoch}`);
    call.starts++;
    if (call.outcome === 'not-executed') {
      oracle.violated('S6', `call ${call.id} had ended as not executed when its handler started`);
    }
    if (call.starts > 1 && !call.isIdempotent) {
      oracle.violated('S6', `the handler of call ${call.id} started ${call.starts} times`);
    }
    if (call.sends > 1) return;
    const way = `${call.client} ${call.key} ${epoch} ${self.processId}`;
    const last = this.#lastStarted.get(way) ?? -1;
    if (call.id < last) oracle.violated('S7', `call ${call.id} to ${call.key} starts after call ${last}`);
    else this.#lastStarted.set(way, call.id);
  }
}
