/** One node of an app: its readings, and what is wrong with it. */
import type { Clock, Node, NodeEvent, NodeState, OverdueTurn, Reach } from '@clstr/core';
import { counted, describe } from '@clstr/core/internal';
import { healthReason } from './reasons.ts';
import type { HealthReason } from './reasons.ts';

export interface NodeHealth {
  readonly id: string;
  readonly service: string;
  readonly state: NodeState;
  /** Whether messages reach it, as its own probes show. */
  readonly reach: Reach;
  /** Shards that it owns, and those that the placement gives it. */
  readonly owned: number;
  readonly wanted: number;
  /** Shards of the service without an owner, as far as this node knows. */
  readonly unowned: number;
  /** How long it serves without another acknowledged heartbeat. Absent in a static cluster, like the next. */
  readonly leaseMarginMs?: number;
  readonly isStoreAnswering?: boolean;
  /** Messages that are accepted and not answered, and those of them that wait behind others. */
  readonly inFlight: number;
  readonly waiting: number;
  /** Whether it refuses calls, critical ones last, because messages wait too long for it. */
  readonly isShedding: boolean;
  /** Handlers whose time is over and that have not ended, 1,024 at most. */
  readonly stuck: number;
  /** The oldest of them, without its key: `node.overdue()` and the log have that. */
  readonly oldestStuck?: Omit<OverdueTurn, 'key'>;
}

export interface WatchedNode {
  readonly node: Node;
  readonly service: string;
  readonly numShards: number;
}

/** What happened last, and when. */
interface Trouble {
  readonly reason: string;
  readonly atMs: number;
}

export class NodeWatch {
  readonly node: Node;
  readonly #service: string;
  readonly #numShards: number;
  readonly #clock: Clock;
  readonly #sinceMs: number;
  readonly #troubles = new Map<NodeEvent['type'], Trouble>();

  constructor({ node, service, numShards }: WatchedNode, clock: Clock) {
    this.node = node;
    this.#service = service;
    this.#numShards = numShards;
    this.#clock = clock;
    this.#sinceMs = clock.monoMs();
    node.onEvent((event) => {
      const reason = 'reason' in event ? event.reason : '';
      if (TROUBLES.has(event.type)) this.#troubles.set(event.type, { reason, atMs: clock.monoMs() });
    });
  }

  read(): NodeHealth {
    const { id, state, reach, wanted, unowned, leaseMarginMs, storeTrouble } = this.node;
    const { inFlight, waiting, isShedding } = this.node;
    const overdue = this.node.overdue();
    const [oldest] = overdue;
    return {
      id,
      service: this.#service,
      state,
      reach,
      owned: this.node.shards().length,
      wanted,
      unowned,
      ...(leaseMarginMs !== undefined && {
        leaseMarginMs: Math.round(leaseMarginMs),
        isStoreAnswering: storeTrouble === undefined,
      }),
      inFlight,
      waiting,
      isShedding,
      stuck: overdue.length,
      ...(oldest && { oldestStuck: { type: oldest.type, shard: oldest.shard, ageMs: oldest.ageMs } }),
    };
  }

  /** `isStarting`: the app waits for this node, or for owners of its shards. `isEnding`: the app closes it. */
  reasons(read: NodeHealth, isStarting: boolean, isEnding: boolean): HealthReason[] {
    const { state } = read;
    if (state === 'closed') {
      return isEnding || isStarting
        ? []
        : [healthReason('PART_CLOSED', `${this.#name} was closed, but not by the app`)];
    }
    if (state === 'created' || state === 'starting') return [healthReason('STARTING', this.#joiningText())];
    const grave = this.#grave(read);
    return [
      ...(grave === undefined ? [] : [grave]),
      ...(isStarting && grave === undefined ? this.#untilOwned(read) : []),
      ...(state === 'serving' && !isStarting ? this.#shardWarnings(read) : []),
      ...this.#warnings(read),
    ];
  }

  #grave({ state, owned, inFlight }: NodeHealth): HealthReason | undefined {
    const { storeTrouble } = this.node;
    switch (state) {
      case 'lapsed': {
        const why = storeTrouble === undefined ? '' : `: ${storeTrouble}`;
        return healthReason('LAPSED', `${this.#name} has had no lease for ${this.#ago('lapsed')}${why}`);
      }
      case 'unreachable':
        return healthReason(
          'UNREACHABLE',
          `${this.#name} has not been reached for ${this.#ago('unreachable')}${this.#why('unreachable')}`,
        );
      case 'fenced':
        return healthReason(
          'FENCED',
          `${this.#name} was fenced ${this.#ago('fenced')} ago${this.#why('fenced')}`,
        );
      case 'draining':
        return healthReason(
          'DRAINING',
          `${this.#name} is draining, with ${counted(owned, 'shard')} and ${counted(inFlight, 'message')} left`,
        );
      default:
        return undefined;
    }
  }

  #untilOwned({ unowned }: NodeHealth): HealthReason[] {
    if (unowned === 0) return [];
    const what = `${this.#name} has joined, and waits for the owners of ${unowned} of ${counted(this.#numShards, 'shard')}`;
    return [healthReason('STARTING', what)];
  }

  #shardWarnings({ owned, wanted, unowned }: NodeHealth): HealthReason[] {
    const warnings: HealthReason[] = [];
    if (unowned > 0) {
      const what = `${unowned} of the ${this.#numShards} shards of ${this.#serviceName} have no owner that ${this.#name} knows`;
      warnings.push(healthReason('UNOWNED_SHARDS', what));
    }
    if (owned < wanted) {
      const what = `${this.#name} owns ${owned} of the ${wanted} shards that the placement gives it`;
      warnings.push(healthReason('SHARDS_MISSING', what));
    } else if (owned === 0) {
      const what = `${this.#name} owns none of the ${this.#numShards} shards of ${this.#serviceName}`;
      warnings.push(healthReason('NO_SHARDS', `${what}, and the placement gives it none`));
    }
    return warnings;
  }

  #warnings({
    state,
    reach,
    leaseMarginMs,
    isShedding,
    inFlight,
    stuck,
    oldestStuck,
  }: NodeHealth): HealthReason[] {
    const { storeTrouble } = this.node;
    const warnings: HealthReason[] = [];
    if (storeTrouble !== undefined && state !== 'lapsed') {
      const what = `${storeTrouble}; the lease of ${this.#name} lasts for another ${leaseMarginMs ?? 0} ms`;
      warnings.push(healthReason('STORE_AWAY', what));
    }
    if (reach === 'doubted') {
      warnings.push(healthReason('REACH_DOUBTED', `the probes of ${this.#name} get no answer`));
    }
    if (isShedding) {
      const what = `${this.#name} refuses calls, critical ones last, with ${counted(inFlight, 'message')} in progress`;
      warnings.push(healthReason('SHEDDING', what));
    }
    if (oldestStuck !== undefined) {
      const { type, shard, ageMs } = oldestStuck;
      const oldest = `the oldest is ${describe(type)} on shard ${shard}, ${ageMs} ms after its message arrived`;
      warnings.push(
        healthReason('STUCK_HANDLER', `${this.#name} has handlers that do not end (${stuck}): ${oldest}`),
      );
    }
    return warnings;
  }

  #joiningText(): string {
    const { storeTrouble } = this.node;
    const forMs = Math.round(this.#clock.monoMs() - this.#sinceMs);
    const why = storeTrouble === undefined ? '' : `: ${storeTrouble}`;
    return `${this.#name} has been starting for ${forMs} ms${why}`;
  }

  get #name(): string {
    return `node ${this.node.id}`;
  }

  get #serviceName(): string {
    return `the service ${this.#service}`;
  }

  #ago(type: NodeEvent['type']): string {
    const { atMs } = this.#troubles.get(type) ?? { atMs: this.#clock.monoMs() };
    return `${Math.round(this.#clock.monoMs() - atMs)} ms`;
  }

  #why(type: NodeEvent['type']): string {
    const reason = this.#troubles.get(type)?.reason;
    return reason === undefined ? '' : `: ${reason}`;
  }
}

const TROUBLES: ReadonlySet<NodeEvent['type']> = new Set(['lapsed', 'unreachable', 'fenced']);
