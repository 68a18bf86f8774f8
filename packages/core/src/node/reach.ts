/**
 * Whether messages reach this node, judged from probes that it sends to its own addresses over the bus.
 *
 *   reached ── no answer ──▶ doubted ── still none ──▶ lost ── answered, for long enough ──▶ reached
 *
 * Time without an answer counts only while this process ran and the membership store answered: a blocked event loop,
 * and an outage that hits both connections, cost no shard.
 */
import { pause } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { ClstrError } from '../base/errors.ts';
import { inBackground } from '../base/background.ts';
import type { Logger } from '../base/logger.ts';
import { silenceLimit } from '../cluster/timing.ts';
import type { Timing } from '../cluster/timing.ts';
import type { Reach } from '../cluster/shards.ts';
import type { Prober } from './probe.ts';
import { ShardReach } from './shard-reach.ts';
import type { Address, NodeAddress } from '../wire/transport.ts';

export interface ReachOptions {
  readonly nodeId: string;
  readonly probe: Prober;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Whether silence counts now: this node has a lease, and its store answers. */
  readonly isCounting: () => boolean;
  /** How many messages from others have arrived so far. */
  readonly inbound: () => number;
  readonly shards: () => readonly number[];
  /** Leaves the address and serves it anew. */
  readonly serveAgain: (address: Address) => Promise<void>;
  /** Whether this node has given its shards away: then it returns only after it has been reached for a while. */
  readonly isAway: () => boolean;
  readonly onChange: (reach: Reach, reason: string) => void;
}

/** How many probes of the direct address may wait for an answer; the oldest is forgotten. */
const MAX_OPEN = 16;
/** Each loss soon after a return doubles the time until the next return, at most this many times. */
const MAX_DOUBLINGS = 6;

export class NodeReach {
  readonly #options: ReachOptions;
  readonly #shards: ShardReach;
  #reach: Reach = 'reached';
  #self: NodeAddress | undefined;
  #open: number[] = [];
  #isAnswered = false;
  #wasEverAnswered = false;
  #lastError: ClstrError | undefined;
  #lastTickMs = 0;
  #badMs = 0;
  #goodMs = 0;
  #inbound = 0;
  #returnedMs = -Infinity;
  #doublings = 0;
  #cancelTick: (() => void) | undefined;
  #isClosed = false;

  constructor(options: ReachOptions) {
    this.#options = options;
    this.#shards = new ShardReach({ ...options, onRecovered: () => this.#judge() });
  }

  get reach(): Reach {
    return this.#reach;
  }

  /** Call it before the node serves its first address. @throws TRANSPORT_CLOSED */
  open(inc: string): void {
    this.#options.probe.open(inc);
  }

  /** A run of the node is served at `self`, and is probed there from now on. */
  begin(self: NodeAddress): void {
    if (this.#isClosed) return;
    this.#self = self;
    this.#forget();
    this.#shards.begin(self.inc);
    this.#askDirectly();
    if (this.#cancelTick !== undefined) return;
    this.#lastTickMs = this.#options.clock.monoMs();
    this.#arm();
  }

  /** The bus confirmed the subscription of a shard, which a probe will test soon. */
  onServed(shard: number): void {
    this.#shards.onServed(shard);
  }

  /** The bus refused a shard's subject. */
  onRefused(shard: number, error: ClstrError): void {
    this.#shards.onRefused(shard, error);
  }

  /** Discards silence so far: this process stood still, or has lost its lease. */
  suspend(): void {
    this.#badMs = 0;
    this.#goodMs = 0;
    this.#isAnswered = false;
    this.#shards.forget();
  }

  /**
   * Resolves when each address has answered. Serves an address without a subscriber once more.
   *
   * @throws NO_SUBSCRIBER, NO_PERMISSION, TIMEOUT, TRANSPORT_CLOSED
   */
  async prove(addresses: readonly Address[], { inc }: NodeAddress): Promise<void> {
    const { clock, timing, serveAgain } = this.#options;
    const untilMs = clock.monoMs() + silenceLimit(timing);
    let open = addresses;
    for (let round = 1; ; round++) {
      const errors = await Promise.all(open.map((address) => this.#askOnce(address, inc)));
      if (errors.some((error) => this.#mayNotAsk(error))) return;
      const unproven = open.filter((_, i) => errors[i] !== undefined);
      if (unproven.length === 0 || this.#isClosed) return;
      const error = errors.find((one) => one !== undefined)!;
      const isRefused = error.code === 'NO_SUBSCRIBER';
      if ((isRefused && round > 1) || clock.monoMs() >= untilMs || error.code === 'TRANSPORT_CLOSED') {
        throw this.#unproven(unproven, addresses, error);
      }
      if (isRefused) await Promise.all(unproven.map((address) => serveAgain(address)));
      else await pause(clock, Math.min(PAUSE_MS, timing.heartbeatMs));
      open = unproven;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancelTick?.();
    await this.#options.probe.close();
  }

  #arm(): void {
    const { clock, timing } = this.#options;
    this.#cancelTick = clock.timer(() => {
      this.#tick();
      if (!this.#isClosed) this.#arm();
    }, timing.heartbeatMs);
  }

  #tick(): void {
    const { clock, timing, isCounting, inbound } = this.#options;
    const nowMs = clock.monoMs();
    // A blocked event loop has read nothing in the meantime: at most one heartbeat of that counts.
    const passedMs = Math.min(nowMs - this.#lastTickMs, timing.heartbeatMs);
    this.#lastTickMs = nowMs;
    const isHeard = inbound() !== this.#inbound;
    this.#inbound = inbound();
    const isAnswered = this.#isAnswered;
    this.#isAnswered = false;
    const isJudged = isCounting();
    if (!isJudged) this.suspend();
    else if (isAnswered && this.#shards.missing === 0) {
      this.#badMs = 0;
      this.#goodMs += passedMs;
    } else {
      // While others' messages arrive, an answer may be waiting behind what this node sends.
      this.#badMs += !isAnswered && isHeard ? passedMs / 2 : passedMs;
      this.#goodMs = 0;
    }
    this.#judge();
    this.#askDirectly();
    if (isAnswered && isJudged) this.#shards.ask();
  }

  #judge(): void {
    const { timing, clock, isAway, onChange } = this.#options;
    const limitMs = silenceLimit(timing);
    let next: Reach = this.#badMs >= limitMs ? 'lost' : this.#badMs >= limitMs / 2 ? 'doubted' : 'reached';
    if (this.#reach === 'lost' && (next !== 'reached' || !this.#mayReturn(isAway()))) next = 'lost';
    if (next === this.#reach) return;
    const nowMs = clock.monoMs();
    if (next === 'lost') {
      const isSoon = nowMs - this.#returnedMs < returnMs(timing, MAX_DOUBLINGS);
      this.#doublings = isSoon ? Math.min(this.#doublings + 1, MAX_DOUBLINGS) : 0;
    } else if (this.#reach === 'lost') this.#returnedMs = nowMs;
    this.#reach = next;
    onChange(next, this.#reason());
  }

  #mayReturn(isAway: boolean): boolean {
    if (this.#shards.missing > 0) return false;
    return this.#goodMs >= (isAway ? returnMs(this.#options.timing, this.#doublings) : 1);
  }

  #reason(): string {
    if (this.#shards.missing > 0) return this.#shards.reason();
    const error = this.#lastError;
    const why = error === undefined ? '' : ` (${error.code}: ${error.message})`;
    return `no answer on its own subject for ${Math.round(this.#badMs)} ms${why}`;
  }

  #askDirectly(): void {
    const { probe, serveAgain, logger } = this.#options;
    const self = this.#self;
    if (self === undefined || this.#isClosed) return;
    const attempt = probe.ask(self, self.inc, (error) => {
      const index = this.#open.indexOf(attempt);
      if (index < 0) return;
      this.#open.splice(index, 1);
      if (error === undefined) this.#onAnswer();
      else if (!this.#mayNotAsk(error)) {
        this.#lastError = error;
        if (error.code === 'NO_SUBSCRIBER') inBackground(serveAgain(self), 'serving the own address', logger);
      }
    });
    this.#open.push(attempt);
    if (this.#open.length > MAX_OPEN) probe.forget(this.#open.shift()!);
  }

  #onAnswer(): void {
    this.#isAnswered = true;
    this.#wasEverAnswered = true;
    this.#lastError = undefined;
    if (this.#shards.missing > 0) return;
    this.#badMs = 0;
    this.#judge();
  }

  /** The node of a user that may only serve cannot probe itself: it counts as reached. */
  #mayNotAsk(error: ClstrError | undefined): boolean {
    if (error?.code !== 'NO_PERMISSION' || this.#wasEverAnswered) return false;
    if (this.#isClosed) return true;
    const { nodeId, logger } = this.#options;
    const message =
      `node ${nodeId} may not send to its own subjects, or receive the answers, so it cannot notice when messages stop reaching it: ` +
      'give its user the permissions of natsPermissions';
    logger.warn({ event: 'node.probe_forbidden', err: error, nodeId }, message);
    inBackground(this.close(), 'ending the probes', logger);
    return true;
  }

  #forget(): void {
    for (const attempt of this.#open) this.#options.probe.forget(attempt);
    this.#open = [];
  }

  async #askOnce(address: Address, inc: string): Promise<ClstrError | undefined> {
    const { probe, clock, timing } = this.#options;
    return await new Promise((resolve) => {
      const attempt = probe.ask(address, inc, (error) => {
        cancel();
        if (error === undefined) this.#wasEverAnswered = true;
        resolve(error);
      });
      const cancel = clock.timer(() => {
        probe.forget(attempt);
        resolve(new ClstrError('TIMEOUT', `no answer for ${timing.heartbeatMs} ms`));
      }, timing.heartbeatMs);
    });
  }

  #unproven(unproven: readonly Address[], all: readonly Address[], error: ClstrError): ClstrError {
    const { nodeId } = this.#options;
    const shards = unproven.flatMap((address) => ('shard' in address ? [address.shard] : []));
    const what =
      shards.length === 0
        ? 'on its own subject'
        : `for ${shards.length} of its ${all.filter((one) => 'shard' in one).length} shards (the first is ${shards[0]!})`;
    const message =
      `node ${nodeId} cannot be reached ${what}: ${error.message}; ` +
      'look for a subscription limit of its account, or for permissions that its user lacks';
    return new ClstrError(error.code, message, { cause: error, outcome: 'not-executed' });
  }
}

const PAUSE_MS = 250;

/** How long a node that has given its shards away must be reached before it takes some again. */
function returnMs({ leaseMs }: Timing, doublings: number): number {
  return leaseMs * 2 ** doublings;
}
