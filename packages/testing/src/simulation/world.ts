/** The world that all parts of one run share: time, randomness, the bus, the store and the processes. */
import type { Actor } from '@clstr/actors';
import { TIMINGS, createClient } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import type {
  Client,
  Logger,
  NodeEvent,
  NodeInterceptor,
  NodeOptions,
  Timing,
  TimingProfile,
} from '@clstr/core';
import type { OutboundEntry } from '@clstr/core/wire';
import {
  createMemoryBus,
  createMemoryStore,
  memoryStateStore,
  memoryTransport,
} from '@clstr/transport-memory';
import type { MemoryBus, MemoryStateStores, MemoryStore } from '@clstr/transport-memory';
import { ClientWatch } from './client-watch.ts';
import { Oracle } from './oracle.ts';
import { lastEpochOf } from './ownership-history.ts';
import { OrderedDelays } from './ordered-delays.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedNode } from './simulated-node.ts';
import { VirtualClock } from './virtual-clock.ts';

export interface WorldOptions {
  readonly seed: number;
  readonly newBucket: NodeOptions['newBucket'];
  readonly timing: TimingProfile;
  /** How much faster or slower than true time a process's clock may run, as a share. */
  readonly clockRateError: number;
  readonly logger?: Logger | undefined;
  readonly onTrace?: ((line: string) => void) | undefined;
}

export interface NodeStart {
  readonly isTwin?: boolean;
  readonly isExclusive?: boolean;
}

/** The actors on the nodes of a world, and the hooks that watch them. */
export interface WorldLoad {
  actors(process: SimulatedNode): readonly Actor[];
  /** Called when `process` admits a message for the shard. */
  onAdmission(process: SimulatedNode, shard: number): void;
  onNodeEvent(process: SimulatedNode, event: NodeEvent): void;
  onSend(entry: OutboundEntry): void;
}

export const NUM_SHARDS = 16;

export class World {
  readonly clock: VirtualClock = new VirtualClock();
  readonly random: SeededRandom;
  readonly network: SeededRandom;
  /** The randomness for the packets with which nodes probe themselves. */
  readonly #probing: SeededRandom;
  readonly #probeLinks = new Set<string>();
  readonly oracle: Oracle;
  readonly store: MemoryStore;
  /** Where durable actors keep their state. */
  readonly states: MemoryStateStores;
  readonly timing: Timing;
  /** All processes that were started and have not ended; several may have the same node id. */
  processes: SimulatedNode[] = [];
  readonly clients: Client[] = [];
  isHealed = false;
  /** Whether handlers are slow on all nodes. */
  isSlow = false;
  readonly #options: WorldOptions;
  readonly #bus: MemoryBus;
  readonly #startMs: number;
  readonly #byName = new Map<string, SimulatedNode>();
  #load: WorldLoad | undefined;
  #started = 0;

  constructor(options: WorldOptions) {
    const { clock } = this;
    this.#options = options;
    this.#startMs = clock.monoMs();
    this.timing = TIMINGS[options.timing];
    this.random = new SeededRandom(options.seed);
    this.network = this.random.fork();
    this.#probing = new SeededRandom(options.seed ^ 0x5bd1_e995);
    this.oracle = new Oracle(() => this.nowMs, options.onTrace);
    this.store = createMemoryStore({
      clock,
      maxHistory: 100_000,
      policy: {
        onOperation: ({ member, kind }) =>
          this.#byName.get(member)?.disturbances.storeEffect(this.network, kind) ?? {},
        onDelivery: ({ member }) => this.#byName.get(member)?.disturbances.deliveryEffect(this.network) ?? 0,
      },
    });
    const storing = new SeededRandom(options.seed ^ 0x2545_f491);
    this.states = memoryStateStore({
      clock,
      policy: {
        onOperation: ({ member, kind }) =>
          this.#byName.get(member)?.disturbances.storeEffect(storing, kind) ?? {},
      },
    });
    const delays = new OrderedDelays(clock);
    this.#bus = createMemoryBus({
      clock,
      policy: ({ from, to }) => {
        const [sender, receiver] = [this.#byName.get(from), this.#byName.get(to)];
        if (sender?.disturbances.cutsOutbound === true || receiver?.disturbances.cutsInbound === true)
          return [];
        const process = sender ?? receiver;
        const isProbe = this.#probeLinks.has(from) || this.#probeLinks.has(to);
        const random = isProbe ? this.#probing : this.network;
        const delayMs =
          process === undefined ? random.next() * 3 : process.disturbances.packetDelayMs(random);
        return delayMs === undefined ? [] : [delays.next(from, to, delayMs)];
      },
    });
  }

  /** The time since the world began, in virtual milliseconds. */
  get nowMs(): number {
    return this.clock.monoMs() - this.#startMs;
  }

  /** Must be called before the first node starts. */
  carry(load: WorldLoad): void {
    this.#load = load;
  }

  /** Starts a process, unless one with this id exists and `isTwin` is not set. */
  startNode(id: string, { isTwin = false, isExclusive = false }: NodeStart = {}): SimulatedNode | undefined {
    this.processes = this.processes.filter((process) => !process.hasEnded);
    if (!isTwin && this.processes.some((process) => process.id === id)) return undefined;
    const load = this.#load!;
    const { timing, newBucket, clockRateError, logger = silentLogger } = this.#options;
    const random = this.random.fork();
    const process = new SimulatedNode({
      id,
      processId: `${id}#${++this.#started}`,
      isExclusive,
      newBucket,
      numShards: NUM_SHARDS,
      bus: this.#bus,
      store: this.store,
      states: this.states,
      worldClock: this.clock,
      random,
      logger,
      timing,
      clockRate: 1 + clockRateError * (2 * random.next() - 1),
      actors: (self) => load.actors(self),
      interceptor: (self) => this.#interceptor(self, load),
      onProbeLink: (name) => {
        this.#probeLinks.add(name);
        this.#byName.set(name, process);
      },
    });
    this.processes.push(process);
    this.#byName.set(process.processId, process);
    process.node.onEvent((event) => {
      this.oracle.trace(`${process.processId} ${JSON.stringify(event)}`);
      if (event.type === 'joined') this.#byName.set(`node:${id}.${event.inc}`, process);
      load.onNodeEvent(process, event);
    });
    process.start();
    return process;
  }

  /** Cuts a process off from everything that is stored. */
  cut(processId: string): void {
    this.store.cut(processId);
    this.states.cut(processId);
  }

  restore(processId: string): void {
    this.store.restore(processId);
    this.states.restore(processId);
  }

  /** Must be called whenever the disturbances of any process change. */
  noteHindrances(): void {
    for (const process of this.processes) process.noteHindrance(this.nowMs);
  }

  startClient(random: SeededRandom): Client {
    const load = this.#load!;
    const watch = new ClientWatch(
      this.oracle,
      (entry) => load.onSend(entry),
      (shard, { nodeId, inc }) => lastEpochOf(this.store, shard, nodeId, inc),
    );
    const client = createClient({
      transport: watch.wrap(memoryTransport({ bus: this.#bus })),
      numShards: NUM_SHARDS,
      routing: 'topology',
      clock: this.clock,
      random,
    });
    this.clients.push(client);
    return client;
  }

  /** Lets at most `ms` pass, less if `isOver` returns true earlier. */
  async passUntil(isOver: () => boolean, ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    while (this.nowMs < untilMs && !isOver()) await this.clock.pass(100);
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.timer(resolve, ms);
    });
  }

  async close(): Promise<void> {
    let isClosed = false;
    const closing: Promise<void>[] = this.clients.map((client) => client.close());
    for (const process of this.processes) if (process.isRunning) closing.push(process.node.close());
    void Promise.all(closing).then(() => (isClosed = true));
    await this.passUntil(() => isClosed, 12_000);
  }

  #interceptor(self: SimulatedNode, load: WorldLoad): NodeInterceptor {
    return (request, _context, next) => {
      load.onAdmission(self, request.shard);
      return next(request);
    };
  }
}
