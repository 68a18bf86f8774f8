/**
 * Simulates a whole cluster on virtual time: clients, nodes, actors and membership are real; the network, the store and
 * the processes fail as a seed determines. Equal seeds give equal runs.
 */
import type { Actor } from '@clstr/actors';
import { createPlacement } from '@clstr/core';
import type { Logger, NodeEvent, NodeOptions, TimingProfile } from '@clstr/core';
import type { MemoryStateStores } from '@clstr/transport-memory';
import { BucketLosses } from './bucket-losses.ts';
import { CounterLoad } from './counter-load.ts';
import { Exclusion } from './exclusion.ts';
import { drawFaults } from './faults.ts';
import type { Fault, FaultKind } from './faults.ts';
import { heal, applyFault, targetOf } from './apply-fault.ts';
import type { BrokenInvariant } from './oracle.ts';
import { ReachChecks } from './reach-checks.ts';
import { quietOutages } from './outages.ts';
import { checkEpochs } from './ownership-history.ts';
import type { SeededRandom } from './seeded-random.ts';
import type { SimulatedNode } from './simulated-node.ts';
import { startUserClient } from './user-load.ts';
import type { Workload } from './user-load.ts';
import { NUM_SHARDS, World } from './world.ts';

export interface SimulationOptions {
  readonly seed: number;
  /** Your actors, with `workload`. Default: counters, whose history is checked. */
  readonly actors?: readonly Actor[] | undefined;
  /** What each client does, until `isOver()`; must not reject. Default: adds to counters. */
  readonly workload?: Workload | undefined;
  /** Called when the run is over, with the store of durable actors; returns a text for each problem. */
  readonly check?: ((states: MemoryStateStores) => readonly string[]) | undefined;
  /** A schedule to run instead of the one that the seed would draw, such as one that is being shrunk. */
  readonly faults?: readonly Fault[] | undefined;
  /** The kinds of faults that the seed may draw. Default: all. */
  readonly kinds?: readonly FaultKind[] | undefined;
  /** As the option of a node. Default `wait`. */
  readonly newBucket?: NodeOptions['newBucket'];
  /** Default `fast`. */
  readonly timing?: TimingProfile | undefined;
  /**
   * How much faster or slower than true time the clocks of processes may run, as a share. Default 0.01, which the
   * protocol allows; with more, two owners at a time are counted but do not fail the run.
   */
  readonly clockRateError?: number | undefined;
  readonly logger?: Logger | undefined;
  /** How long load and faults last, in virtual milliseconds. Default: 10 to 20 leases, drawn from the seed. */
  readonly spanMs?: number | undefined;
  /** Called with everything that goes into the trace hash. */
  readonly onTrace?: ((line: string) => void) | undefined;
}

export interface SimulationReport {
  readonly seed: number;
  /** Equal for equal runs. */
  readonly traceHash: string;
  readonly violations: readonly BrokenInvariant[];
  readonly faults: readonly Fault[];
  readonly events: number;
  readonly virtualMs: number;
  readonly calls: number;
  readonly ok: number;
  readonly notExecuted: number;
  readonly unknown: number;
  /** The number of changes of owner. */
  readonly moves: number;
  readonly fenced: number;
  readonly leaseTerm: number;
  /** How often a node found that messages did not reach it. */
  readonly unreachable: number;
  /** How often two processes worked for one shard at the same time. */
  readonly overlaps: number;
}

/** The clock rate error that the protocol allows. */
const MAX_CLOCK_RATE_ERROR = 0.01;
/** The time until the first shards are served, in leases. */
const START_LEASES = 2;
const MIN_OK = 100;

export async function simulate(options: SimulationOptions): Promise<SimulationReport> {
  return await new Simulation(options).run();
}

class Simulation {
  readonly #options: SimulationOptions;
  readonly #world: World;
  readonly #exclusion: Exclusion;
  readonly #losses: BucketLosses;
  readonly #counters: CounterLoad;
  readonly #reach: ReachChecks;
  #faults: readonly Fault[] = [];
  #quiet: readonly { fromMs: number; untilMs: number }[] = [];
  #sends = 0;
  #moves = 0;
  #fenced = 0;
  #leaseTerm = 0;

  constructor(options: SimulationOptions) {
    const { seed, newBucket = 'wait', timing = 'fast', clockRateError = MAX_CLOCK_RATE_ERROR } = options;
    const { logger, onTrace } = options;
    this.#options = options;
    this.#world = new World({ seed, newBucket, timing, clockRateError, logger, onTrace });
    this.#exclusion = new Exclusion(this.#world, clockRateError > MAX_CLOCK_RATE_ERROR);
    this.#losses = new BucketLosses(this.#world);
    this.#reach = new ReachChecks(this.#world);
    this.#counters = new CounterLoad(this.#world, this.#exclusion);
  }

  async run(): Promise<SimulationReport> {
    const world = this.#world;
    const { random, clock, timing } = world;
    const startMs = START_LEASES * timing.leaseMs;
    const drawnMs = timing.leaseMs * random.int(10, 20);
    const { spanMs = drawnMs } = this.#options;
    this.#schedule(random.fork(), { fromMs: startMs, untilMs: startMs + spanMs });
    const workload = random.fork();
    const starts = random.fork();
    world.carry({
      actors: (process) => this.#options.actors ?? [this.#counters.actor(process)],
      onAdmission: (process, shard) => this.#exclusion.check(process, shard),
      onNodeEvent: (process, event) => this.#onNodeEvent(process, event),
      onSend: (entry) => {
        this.#sends++;
        if (this.#isDefaultLoad) this.#counters.onSend(entry);
      },
    });
    for (let i = random.int(3, 7); i >= 1; i--) {
      clock.timer(() => world.startNode(`n${i}`), starts.chance(0.7) ? 0 : starts.next() * timing.leaseMs);
    }
    await clock.pass(startMs);
    this.#startClients(workload, spanMs);
    await clock.pass(spanMs);
    await this.#settle();
    if (this.#isDefaultLoad && this.#live.length > 0) await this.#counters.probe(this.#losses);
    this.#checkHistory();
    // From here on nodes leave, and their shards move.
    this.#quiet = [];
    await world.close();
    return this.#report();
  }

  get #isDefaultLoad(): boolean {
    return this.#options.workload === undefined;
  }

  get #live(): SimulatedNode[] {
    return this.#world.processes.filter((process) => process.isServing);
  }

  #schedule(random: SeededRandom, span: { fromMs: number; untilMs: number }): void {
    const { clock, timing, oracle } = this.#world;
    const { faults, kinds } = this.#options;
    this.#faults = faults ?? drawFaults(random, span, timing.leaseMs, kinds);
    this.#quiet = quietOutages(this.#world, this.#faults);
    this.#reach.schedule(this.#faults);
    for (const fault of this.#faults) {
      clock.timer(() => {
        const target = targetOf(this.#world, fault);
        if (!applyFault(this.#world, fault)) return;
        if (fault.kind === 'purge-marks') this.#exclusion.onHeartbeatsLost(target!.id);
        else if (fault.kind === 'usurp') this.#exclusion.onUsurped(target!.id);
        else if (fault.kind === 'delete-bucket') {
          this.#exclusion.onHeartbeatsLost();
          this.#losses.onLoss();
        }
      }, fault.atMs);
    }
    oracle.trace(`${this.#faults.length} faults`);
  }

  #startClients(random: SeededRandom, spanMs: number): void {
    const world = this.#world;
    const { workload } = this.#options;
    const clients = random.int(4, 8);
    for (let number = 0; number < clients; number++) {
      const own = random.fork();
      const client = world.startClient(own);
      if (workload === undefined) this.#counters.startClient(client, number, own, spanMs, clients);
      else startUserClient(world, workload, { client, number, random: own, spanMs });
    }
  }

  #onNodeEvent(process: SimulatedNode, event: NodeEvent): void {
    const { nowMs, oracle } = this.#world;
    if (event.type === 'fenced') this.#fenced++;
    if (event.type === 'lapsed') this.#leaseTerm++;
    if (event.type === 'unreachable') this.#reach.onUnreachable(process, event.reason);
    if (event.type !== 'acquired') return;
    this.#moves++;
    this.#exclusion.check(process, event.shard);
    if (this.#quiet.some(({ fromMs, untilMs }) => nowMs >= fromMs && nowMs <= untilMs)) {
      oracle.violated('L3', `shard ${event.shard} moved to ${process.processId} over an outage of the store`);
    }
  }

  /** Checks L2: once all faults are over, every shard moves to where the placement wants it. */
  async #settle(): Promise<void> {
    heal(this.#world);
    const { expiryMs, listMs, stableMs, leaseMs } = this.#world.timing;
    // The after-effects of a fault may show only now.
    await this.#world.clock.pass(2 * leaseMs);
    const limitMs = 3 * expiryMs + listMs + stableMs + 5_000;
    await this.#world.passUntil(() => this.#misplaced().length === 0, limitMs - 2 * leaseMs);
    for (const text of this.#misplaced()) this.#world.oracle.violated('L2', text);
  }

  #misplaced(): string[] {
    const live = this.#live;
    if (live.length === 0) return [];
    const placement = createPlacement({ numShards: NUM_SHARDS });
    for (const id of new Set(live.map((process) => process.id))) placement.addNode(id);
    return Array.from({ length: NUM_SHARDS }, (_, shard) => {
      const owners = live.filter(({ node }) => node.owns(shard)).map(({ id }) => id);
      const desired = placement.ownerOf(shard)!;
      if (owners.length === 1 && owners[0] === desired) return '';
      return `shard ${shard} should be at ${desired}, it is at [${owners.join(', ')}]`;
    }).filter((text) => text !== '');
  }

  #checkHistory(): void {
    const world = this.#world;
    const isCalm = this.#faults.every(({ kind }) => kind === 'join' || kind === 'leave');
    checkEpochs(world, isCalm ? 1 : undefined);
    if (this.#isDefaultLoad) this.#counters.check();
    for (const text of this.#options.check?.(world.states) ?? []) world.oracle.violated('CHECK', text);
  }

  #report(): SimulationReport {
    const world = this.#world;
    const ok = this.#counters.count('ok');
    if (this.#isDefaultLoad && ok < MIN_OK) world.oracle.violated('EMPTY', `only ${ok} calls succeeded`);
    if (this.#sends === 0) world.oracle.violated('EMPTY', 'no call was made');
    if (this.#moves < NUM_SHARDS) world.oracle.violated('EMPTY', `only ${this.#moves} shards found an owner`);
    return {
      seed: this.#options.seed,
      traceHash: world.oracle.traceHash,
      violations: world.oracle.violations,
      faults: this.#faults,
      events: world.clock.events,
      virtualMs: world.nowMs,
      calls: this.#isDefaultLoad ? this.#counters.calls.length : this.#sends,
      ok,
      notExecuted: this.#counters.count('not-executed'),
      unknown: this.#counters.count('unknown'),
      moves: this.#moves,
      fenced: this.#fenced,
      leaseTerm: this.#leaseTerm,
      unreachable: this.#reach.unreachable,
      overlaps: this.#exclusion.overlaps,
    };
  }
}
