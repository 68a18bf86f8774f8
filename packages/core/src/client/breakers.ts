/** The circuit breakers of a client: one for each run of a node that it calls directly. */
import type { Clock } from '../base/clock.ts';
import { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { BreakerState, SafeMetrics } from '../base/metrics.ts';
import { invalidOption } from '../base/options.ts';
import type { Option, Spec } from '../base/spec.ts';
import { integer, milliseconds, option, resolve } from '../base/spec.ts';
import type { NodeAddress } from '../wire/transport.ts';
import { Breaker } from './breaker.ts';
import type { AttemptEnd, BreakerOptions } from './breaker.ts';

const breakerSpec: Spec<BreakerOptions> = {
  failureRate: option(checkRate, 0.5),
  minCalls: integer(1, Number.MAX_SAFE_INTEGER, 20),
  windowMs: milliseconds(10, 10_000),
  openMs: milliseconds(1, 5_000),
};

/** `true` stands for the defaults. */
export const breakerOption: Option<BreakerOptions> = option((owner, name, value) => {
  if (value === true) return resolve(owner, breakerSpec, {});
  if (typeof value === 'object' && value !== null) return resolve(`${owner} ${name}`, breakerSpec, value);
  throw invalidOption(owner, name, value, 'true or an object of options');
});

function checkRate(owner: string, name: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= 1) return value;
  throw invalidOption(owner, name, value, 'a number above 0 and at most 1');
}

/** A node that gets no calls from a client, or only some that try whether it answers again. */
export interface OpenBreaker {
  readonly nodeId: string;
  /** The service that the client calls there. */
  readonly service: string;
  /** How long the node gets no calls, in milliseconds; 0 once some may try it again. */
  readonly retryAfterMs: number;
}

export interface BreakersOptions {
  readonly service: string;
  readonly breaker: BreakerOptions;
  readonly clock: Clock;
  readonly metrics: SafeMetrics;
  readonly logger: Logger;
}

interface ClientWithBreakers extends Omit<BreakersOptions, 'breaker' | 'service'> {
  readonly breaker: BreakerOptions | undefined;
}

/** Undefined if all nodes get their calls. */
export function breakersOf(client: ClientWithBreakers, service: string): Breakers | undefined {
  const { breaker, clock, metrics, logger } = client;
  return breaker && new Breakers({ breaker, service, clock, metrics, logger });
}

/** Nodes that come and go have a breaker each; those that were used least recently are forgotten beyond this. */
const MAX_NODES = 1_024;

export class Breakers {
  readonly #options: BreakersOptions;
  readonly #byRun = new Map<string, { readonly nodeId: string; readonly breaker: Breaker }>();
  /** One node may have several address objects, which are found faster than a text. */
  readonly #byAddress = new WeakMap<NodeAddress, Breaker>();
  /** What was asked for last: calls of one turn often go to one node. */
  #last: NodeAddress | undefined;
  #lastBreaker: Breaker | undefined;

  constructor(options: BreakersOptions) {
    this.#options = options;
  }

  /** Hot path: a pass to the node, or 0. */
  pass(to: NodeAddress): number {
    const breaker = this.#of(to);
    const before = breaker.state;
    // Each reading of the clock costs two percent of a call in memory.
    if (before === 'closed') return breaker.pass(0);
    const pass = breaker.pass(this.#options.clock.monoMs());
    if (breaker.state !== before) this.#changed(to, before, breaker.state);
    return pass;
  }

  /** Hot path: the attempt that had the pass has ended; its call began at `sinceMs`. */
  ended(to: NodeAddress, pass: number, end: AttemptEnd, sinceMs: number): void {
    const breaker = this.#of(to);
    const before = breaker.state;
    breaker.ended(pass, end, end === 'answered' ? sinceMs : this.#options.clock.monoMs());
    if (breaker.state !== before) this.#changed(to, before, breaker.state);
  }

  #changed({ nodeId }: NodeAddress, before: BreakerState, state: BreakerState): void {
    const { metrics, logger } = this.#options;
    metrics.breakerChanged(state);
    if (state === 'closed') {
      const message = `node ${nodeId} answers again, and gets its calls`;
      logger.info({ event: 'client.breaker_closed', nodeId }, message);
    } else if (before === 'closed') {
      const message = `node ${nodeId} does not answer: it gets no calls until some attempts succeed`;
      logger.warn({ event: 'client.breaker_opened', nodeId }, message);
    }
  }

  refusal(to: NodeAddress): ClstrError {
    const { nodeId } = to;
    const retryAfterMs = this.#of(to).waitMs(this.#options.clock.monoMs());
    return new ClstrError('CIRCUIT_OPEN', `node ${nodeId} has not answered lately and gets no calls`, {
      details: { nodeId, retryAfterMs },
    });
  }

  /** The nodes that get no calls, or only probes. One row for each node, however many runs of it are among them. */
  open(): readonly OpenBreaker[] {
    const nowMs = this.#options.clock.monoMs();
    const { service } = this.#options;
    const found = new Map<string, OpenBreaker>();
    for (const { nodeId, breaker } of this.#byRun.values()) {
      if (!breaker.isLimiting(nowMs)) continue;
      const retryAfterMs = Math.max(breaker.waitMs(nowMs), found.get(nodeId)?.retryAfterMs ?? 0);
      found.set(nodeId, { nodeId, service, retryAfterMs });
    }
    return [...found.values()];
  }

  #of(to: NodeAddress): Breaker {
    if (to === this.#last) return this.#lastBreaker!;
    const breaker = this.#byAddress.get(to) ?? this.#make(to);
    this.#last = to;
    this.#lastBreaker = breaker;
    return breaker;
  }

  #make(to: NodeAddress): Breaker {
    const { nodeId, inc } = to;
    const name = `${nodeId} ${inc}`;
    const breaker = this.#byRun.get(name)?.breaker ?? new Breaker(this.#options.breaker);
    this.#byAddress.set(to, breaker);
    this.#byRun.delete(name);
    this.#byRun.set(name, { nodeId, breaker });
    if (this.#byRun.size > MAX_NODES) this.#byRun.delete(this.#byRun.keys().next().value!);
    return breaker;
  }
}
