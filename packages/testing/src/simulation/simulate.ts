/**
 * A whole cluster on virtual time: real clients, nodes, actors and membership, and a network, a store and processes that
 * fail as a seed says. Equal seeds give equal runs.
 */
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';
import { TIMINGS, createClient, createPlacement, isClstrError, silentLogger } from '@clstr/core';
import type { Client, Logger, NodeInterceptor } from '@clstr/core';
import { createMemoryBus, createMemoryStore, memoryTransport } from '@clstr/transport-memory';
import type { MemoryStore } from '@clstr/transport-memory';
import { checkCounter } from './counter-history.ts';
import type { CounterCall } from './counter-history.ts';
import { drawFaults } from './faults.ts';
import type { Fault, FaultKind } from './faults.ts';
import { FencedCounterStore } from './fenced-counter.ts';
import { Oracle } from './oracle.ts';
import type { Violation } from './oracle.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedNode } from './simulated-node.ts';
import type { SimulatedNodeOptions } from './simulated-node.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** In place of what the seed would draw: a schedule that is being shrunk. */
  readonly faults?: readonly Fault[] | undefined;
  /** Kinds the seed may draw from. Default: all. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** Another membership, to see that a mistake in it is found. */
  readonly membership?: SimulatedNodeOptions['membership'];
  readonly logger?: Logger | undefined;
}

export interface SimulationReport {
  readonly seed: number;
  readonly traceHash: string;
  readonly violations: readonly Violation[];
  readonly faults: readonly Fault[];
  readonly events: number;
  readonly virtualMs: number;
  readonly calls: number;
  readonly ok: number;
  readonly notExecuted: number;
  readonly unknown: number;
  /** Changes of owner. */
  readonly moves: number;
  readonly fenced: number;
  readonly lapses: number;
}

const NUM_SHARDS = 16;
const KEYS = 24;
const TIMING = TIMINGS.fast;
const CALLS_PER_RUN = 1_500;

const Counter = defineActor('counter', { add: request<{ id: number }, number>() });

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return await new World(options).run();
}

class World {
  readonly #options: SimulationOptions;
  readonly #clock = new VirtualClock();
  readonly #random: SeededRandom;
  readonly #network: SeededRandom;
  readonly #oracle = new Oracle(() => this.#clock.monoMs());
  readonly #store: MemoryStore;
  readonly #bus;
  readonly #values: FencedCounterStore;
  /** By node id; a node that was restarted is replaced. */
  readonly #nodes = new Map<string, SimulatedNode>();
  readonly #byAddress = new Map<string, SimulatedNode>();
  readonly #calls: CounterCall[] = [];
  readonly #running = new Set<Promise<void>>();
  readonly #clients: Client[] = [];
  #processes = 0;
  #isHealed = false;
  #moves = 0;
  #fenced = 0;
  #lapses = 0;

  constructor(options: SimulationOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.#network = this.#random.fork();
    this.#values = new FencedCounterStore(this.#clock, () => 0.2 + this.#network.next() * 3);
    this.#store = createMemoryStore({
      clock: this.#clock,
      maxHistory: 100_000,
      policy: {
        onOperation: ({ member, kind }) => {
          const node = this.#byAddress.get(member);
          return node?.disturbances.storeFate(this.#network, kind) ?? {};
        },
        onDelivery: ({ member }) => {
          const node = this.#byAddress.get(member);
          const delayMs = 0.1 + this.#network.next() * 5;
          if (node?.disturbances.isBlackHole === true)
            return { brokenMs: 500 + this.#network.next() * 1_500 };
          if (node?.disturbances.breaksWatches === true && this.#network.chance(0.1)) {
            return { brokenMs: 100 + this.#network.next() * 3_000 };
          }
          return delayMs;
        },
      },
    });
    this.#bus = createMemoryBus({
      clock: this.#clock,
      policy: ({ from, to }) => {
        const node = this.#nodeOf(from) ?? this.#nodeOf(to);
        return node?.disturbances.packetDelays(this.#network) ?? [this.#network.next() * 3];
      },
    });
  }

  async run(): Promise<SimulationReport> {
    const random = this.#random;
    const nodeCount = random.int(3, 7);
    const spanMs = random.int(20_000, 40_000);
    const faults =
      this.#options.faults ?? drawFaults(random.fork(), spanMs, TIMING.leaseMs, this.#options.kinds);
    const workload = random.fork();
    const starts = random.fork();
    for (let i = 1; i <= nodeCount; i++) {
      this.#clock.timer(() => this.#startNode(`n${i}`), starts.chance(0.7) ? 0 : starts.next() * 2_000);
    }
    await this.#clock.pass(4_000);
    for (const fault of faults) this.#clock.timer(() => this.#inflict(fault), fault.atMs);
    const clients = workload.int(4, 8);
    for (let i = 0; i < clients; i++) this.#startClient(workload.fork(), spanMs, clients);
    await this.#clock.pass(spanMs);
    this.#heal();
    const { expiryMs, listMs, stableMs } = TIMING;
    await this.#clock.pass(3 * expiryMs + listMs + stableMs + 5_000);
    this.#checkPlacement();
    await this.#checkLiveness();
    this.#checkHistories();
    await this.#close();
    return this.#report(faults);
  }

  #startNode(id: string): void {
    const old = this.#nodes.get(id);
    if (old !== undefined && old.clock.state !== 'dead' && old.node.state !== 'closed') return;
    const processId = `${id}#${++this.#processes}`;
    const process = new SimulatedNode({
      ...{ id, processId, numShards: NUM_SHARDS, bus: this.#bus, store: this.#store },
      ...{ worldClock: this.#clock, random: this.#random.fork(), membership: this.#options.membership },
      logger: this.#options.logger ?? silentLogger,
      actors: (self) => [this.#counter(self)],
      interceptor: (self) => this.#interceptor(self),
    });
    this.#nodes.set(id, process);
    this.#byAddress.set(processId, process);
    process.node.onEvent((event) => {
      this.#oracle.trace(`${processId} ${JSON.stringify(event)}`);
      if (event.type === 'acquired') this.#moves++;
      if (event.type === 'fenced') this.#fenced++;
      if (event.type === 'lapsed') this.#lapses++;
      if (event.type === 'joined') this.#byAddress.set(`node:${id}.${event.inc}`, process);
    });
    process.start();
  }

  #nodeOf(name: string): SimulatedNode | undefined {
    if (!name.startsWith('node:')) return undefined;
    return this.#byAddress.get(name) ?? this.#nodes.get(name.slice(5, name.indexOf('.')));
  }

  #interceptor(self: SimulatedNode): NodeInterceptor {
    return (request, context, next) => {
      const call = this.#calls[(request.payload as { id: number }).id];
      this.#oracle.trace(`${self.processId} admits ${String(request.key)} ${call?.id}`);
      for (const other of this.#nodes.values()) {
        if (other === self || !other.isRunning || !other.node.owns(request.shard)) continue;
        this.#oracle.violated(
          'S5',
          `${self.processId} and ${other.processId} both admit for shard ${request.shard}`,
        );
      }
      return next(request);
    };
  }

  #counter(self: SimulatedNode): Actor {
    return Counter.implement({
      onError: 'restart',
      setup: async (ctx) => ({ value: await this.#values.claim(self.clock, ctx.key, ctx.fencingToken!) }),
      handlers: {
        add: async (state, { id }, ctx) => {
          const call = this.#calls[id]!;
          call.starts++;
          if (call.starts > 1 && !call.isIdempotent) {
            this.#oracle.violated('S6', `the handler of call ${id} started ${call.starts} times`);
          }
          const ended = this.#oracle.started(ctx.key, {
            epoch: ctx.epoch!,
            processId: self.processId,
            signal: ctx.signal,
            isStanding: () => !self.isRunning,
          });
          try {
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

  #startClient(random: SeededRandom, spanMs: number, clients: number): void {
    const clock = this.#clock;
    const client = createClient({
      transport: memoryTransport({ bus: this.#bus }),
      numShards: NUM_SHARDS,
      routing: 'topology',
      clock,
      random,
    });
    this.#clients.push(client);
    const untilMs = clock.monoMs() + spanMs;
    const pauseMs = (2 * spanMs * clients) / CALLS_PER_RUN;
    const next = (): void => {
      if (clock.monoMs() > untilMs) return;
      const burst = random.chance(0.1) ? random.int(2, 8) : 1;
      const key = `key-${random.int(0, KEYS - 1)}`;
      for (let i = 0; i < burst; i++) this.#call(client, random, key);
      clock.timer(next, random.next() * pauseMs * burst);
    };
    next();
  }

  #call(client: Client, random: SeededRandom, key: string): void {
    const call: CounterCall = {
      key,
      id: this.#calls.length,
      invokedMs: this.#clock.monoMs(),
      endedMs: undefined,
      value: undefined,
      outcome: 'pending',
      starts: 0,
      isIdempotent: random.chance(0.2),
    };
    this.#calls.push(call);
    const timeoutMs = random.pick([200, 1_000, 5_000]);
    const running = Counter.ref(client, key)
      .add({ id: call.id }, { timeoutMs, idempotent: call.isIdempotent })
      .then(
        (value) => this.#ended(call, 'ok', value),
        (error: unknown) => {
          if (!isClstrError(error)) throw error;
          this.#ended(call, error.outcome, undefined);
          this.#oracle.trace(`call ${call.id} failed: ${error.code}`);
          if (error.outcome === 'not-executed' && call.starts > 0 && !call.isIdempotent) {
            this.#oracle.violated(
              'S6',
              `call ${call.id} ended as ${error.code}, not executed, but its handler ran`,
            );
          }
          const lateMs = this.#clock.monoMs() - call.invokedMs - timeoutMs;
          if (lateMs > 100)
            this.#oracle.violated('L2', `call ${call.id} outlived its deadline by ${lateMs} ms`);
        },
      )
      .finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  #ended(call: CounterCall, outcome: CounterCall['outcome'], value: number | undefined): void {
    call.outcome = outcome;
    call.value = value;
    call.endedMs = this.#clock.monoMs();
    this.#oracle.trace(`call ${call.id} ${outcome} ${value}`);
  }

  #inflict(fault: Fault): void {
    if (this.#isHealed) return;
    const nodes = [...this.#nodes.values()];
    const node = nodes[fault.node % nodes.length]!;
    this.#oracle.trace(`fault ${fault.kind} ${node.id} ${fault.durationMs}`);
    const { disturbances } = node;
    const later = (undo: () => void, delayMs = fault.durationMs): void => {
      this.#clock.timer(() => {
        if (!this.#isHealed) undo();
      }, delayMs);
    };
    switch (fault.kind) {
      case 'crash':
        node.kill();
        later(() => this.#startNode(node.id));
        return;
      case 'pause':
        node.clock.pause();
        later(() => node.clock.resume());
        return;
      case 'cut':
        this.#store.cut(node.processId);
        later(() => this.#restore(node));
        return;
      case 'black-hole':
        disturbances.isBlackHole = true;
        later(() => (disturbances.isBlackHole = false));
        return;
      case 'flap': {
        // Answers are lost unnoticed, come back for a moment, then the connection breaks.
        const healedMs = 5 + (fault.salt % 316);
        disturbances.losesAnswers = 1;
        later(() => (disturbances.losesAnswers = 0));
        later(() => this.#store.cut(node.processId), fault.durationMs + healedMs);
        later(() => this.#restore(node), fault.durationMs + healedMs + (fault.salt % 6_000));
        return;
      }
      case 'lossy-answers':
        disturbances.losesAnswers = 0.3;
        later(() => (disturbances.losesAnswers = 0));
        return;
      case 'slow-store':
        disturbances.storeDelayMs = 50 + (fault.salt % 400);
        later(() => (disturbances.storeDelayMs = 0));
        return;
      case 'broken-watches':
        disturbances.breaksWatches = true;
        later(() => (disturbances.breaksWatches = false));
        return;
      case 'packet-loss':
        disturbances.packetLoss = 0.3;
        later(() => (disturbances.packetLoss = 0));
        return;
      case 'leave':
        void node.node.drain({ graceMs: TIMING.drainMs });
        later(() => this.#startNode(node.id), fault.durationMs + 8_000);
        return;
      case 'join':
        this.#startNode(`j${fault.salt % 3}`);
        return;
      case 'delete-bucket':
        this.#store.deleteBucket();
    }
  }

  #restore(node: SimulatedNode): void {
    if (node.clock.state !== 'dead') this.#store.restore(node.processId);
  }

  #heal(): void {
    this.#isHealed = true;
    for (const node of this.#nodes.values()) {
      node.disturbances.clear();
      node.clock.resume();
      this.#restore(node);
    }
  }

  /** After a while without faults every shard is where the placement wants it. */
  #checkPlacement(): void {
    const live = [...this.#nodes.values()].filter((node) => node.isRunning && node.node.state === 'serving');
    if (live.length === 0) return;
    const placement = createPlacement({ numShards: NUM_SHARDS });
    for (const { id } of live) placement.addNode(id);
    for (let shard = 0; shard < NUM_SHARDS; shard++) {
      const owners = live.filter(({ node }) => node.owns(shard)).map(({ id }) => id);
      const desired = placement.ownerOf(shard)!;
      if (owners.length !== 1 || owners[0] !== desired) {
        this.#oracle.violated(
          'L2',
          `shard ${shard} should be at ${desired}, it is at [${owners.join(', ')}]`,
        );
      }
    }
  }

  /** After a while without faults every key answers. */
  async #checkLiveness(): Promise<void> {
    const live = [...this.#nodes.values()].some((node) => node.isRunning && node.node.state === 'serving');
    if (!live) return;
    const before = this.#calls.length;
    const random = this.#random.fork();
    for (let i = 0; i < KEYS; i++) this.#call(this.#clients[0]!, random, `key-${i}`);
    await this.#clock.pass(6_000);
    for (const call of this.#calls.slice(before)) {
      if (call.outcome === 'not-executed' || call.outcome === 'pending') {
        this.#oracle.violated('L2', `${call.key} does not answer after all faults are over: ${call.outcome}`);
      }
    }
  }

  #checkHistories(): void {
    const byKey = new Map<string, CounterCall[]>();
    for (const call of this.#calls) byKey.set(call.key, [...(byKey.get(call.key) ?? []), call]);
    for (const [key, calls] of byKey) {
      for (const text of checkCounter(key, calls, this.#values.valueOf(key)))
        this.#oracle.violated('LIN', text);
    }
    this.#checkEpochs();
  }

  /** Epochs rise with each change of owner, and no epoch has two. */
  #checkEpochs(): void {
    const last = new Map<string, { epoch: number; holder: string; bucket: number }>();
    const holders = new Map<string, string>();
    for (const { bucket, key, value } of this.#store.history) {
      if (!key.startsWith('s.') || value === undefined) continue;
      const { epoch, owner, inc, state } = JSON.parse(value) as Record<string, string> & { epoch: number };
      if (state === 'restored') continue;
      const holder = `${owner}#${inc}`;
      const before = last.get(key);
      if (before !== undefined && before.holder !== holder && epoch <= before.epoch) {
        this.#oracle.violated(
          'S1',
          `${key}: epoch ${before.epoch} of ${before.holder}, then ${epoch} of ${holder}`,
        );
      }
      const known = holders.get(`${key}@${epoch}`);
      if (known !== undefined && known !== holder) {
        this.#oracle.violated('S1', `${key}: epoch ${epoch} had the owners ${known} and ${holder}`);
      }
      holders.set(`${key}@${epoch}`, holder);
      last.set(key, { epoch, holder, bucket });
    }
  }

  async #close(): Promise<void> {
    const closing = [...this.#clients.map((client) => client.close())];
    for (const node of this.#nodes.values()) {
      if (node.isRunning) closing.push(node.node.close());
    }
    await this.#clock.pass(12_000);
    await Promise.race([Promise.all(closing), this.#clock.pass(1_000)]);
  }

  #report(faults: readonly Fault[]): SimulationReport {
    const count = (outcome: CounterCall['outcome']): number =>
      this.#calls.filter((call) => call.outcome === outcome).length;
    if (count('ok') < 100) this.#oracle.violated('EMPTY', `only ${count('ok')} calls succeeded`);
    return {
      seed: this.#options.seed,
      traceHash: this.#oracle.traceHash,
      violations: this.#oracle.violations,
      faults,
      events: this.#clock.events,
      virtualMs: this.#clock.monoMs() - 1_000_000,
      calls: this.#calls.length,
      ok: count('ok'),
      notExecuted: count('not-executed'),
      unknown: count('unknown'),
      moves: this.#moves,
      fenced: this.#fenced,
      lapses: this.#lapses,
    };
  }
}
