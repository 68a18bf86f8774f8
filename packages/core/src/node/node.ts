/** A node: serves a set of shards over a transport until it drains or closes. */
import { Dispatch } from './dispatch.ts';
import { checkKey } from '../wire/envelope.ts';
import { ClstrError, Refusal } from '../base/errors.ts';
import type { Handler } from './handler.ts';
import { detached } from '../base/async-context.ts';
import { inBackground } from '../base/background.ts';
import { createDeferred } from '../base/deferred.ts';
import type { OverdueTurn } from '../base/overdue-turns.ts';
import { Member } from '../cluster/member.ts';
import type { MemberHost } from '../cluster/member.ts';
import { TIMINGS } from '../cluster/timing.ts';
import { NodeAnnouncer } from './announcer.ts';
import { drainSpec, resolveNodeOptions } from './options.ts';
import { nodeAddress } from '../wire/address.ts';
import type { DrainOptions, NodeOptions, ResolvedNodeOptions } from './options.ts';
import { NodeProbe } from './probe.ts';
import { NodeSubjects } from './subjects.ts';
import { NodeReach } from './reach.ts';
import { resolve } from '../base/spec.ts';
import { randomId } from '../base/random.ts';
import { staticGate } from '../cluster/shards.ts';
import type { Reach, ShardEvent, ShardGate } from '../cluster/shards.ts';
import { createKeyRouter } from '../placement/shard.ts';
import type { Address, NodeAddress } from '../wire/transport.ts';
import { TOPOLOGY_ADDRESS } from '../wire/transport.ts';

/**
 * `serving`: the node admits messages for its shards, and they reach it. `lapsed`: its lease is over, it admits nothing
 * until a heartbeat is acknowledged. `unreachable`: messages for all or some of its shards do not reach it; with a
 * membership it gives them to others, if there are any. `fenced`: the others declared this node dead, or its cluster was
 * lost; it is joining again.
 */
export type NodeState =
  'created' | 'starting' | 'serving' | 'lapsed' | 'unreachable' | 'fenced' | 'draining' | 'closed';

/** What happens to a node: in a dynamic cluster to its shards, in any to its reach. */
export type NodeEvent =
  | ShardEvent
  /** The bus does not bring messages to this node, or not for all its shards. Also in a static cluster. */
  | { readonly type: 'unreachable'; readonly reason: string }
  /** It does again. */
  | { readonly type: 'reachable' };

export interface Node {
  readonly id: string;
  readonly state: NodeState;
  /** Messages accepted and not yet answered. */
  readonly inFlight: number;
  /**
   * Handlers and other user code that have not ended 100 ms after their time, the oldest first, 1,024 at most. Each blocks
   * its actor: messages behind it expire. What is listed here is also logged, once and then rarely.
   */
  overdue(): readonly OverdueTurn[];
  /** The shards this node owns, ascending. */
  shards(): readonly number[];
  /** Shards of the cluster that nobody owns, as far as this node knows; 0 in a static cluster. */
  readonly unowned: number;
  /** Whether a message for the shard would be admitted at this very moment. */
  owns(shard: number): boolean;
  /** Calls `listener` for what happens to this node; the returned function ends that. */
  onEvent(listener: (event: NodeEvent) => void): () => void;
  /**
   * Resolves when messages reach every shard; with a membership, when they reach the node and it is a member: shards come
   * to it from then on. A node starts once.
   *
   * @throws TRANSPORT_CLOSED, NO_PERMISSION, SUBSCRIPTION_LIMIT, NO_SUBSCRIBER, TIMEOUT; with a membership also
   * NODE_ID_IN_USE, CLUSTER_CONFIG_MISMATCH, and STORE_REFUSED or TIMEOUT when the store refuses or does not answer for too
   * long
   */
  start(): Promise<void>;
  /**
   * With a membership, hands every shard over to the other nodes first, which takes `graceMs` at most. Then refuses new
   * messages as `DRAINING`, answers those it has accepted, leaves the bus. Handlers that take longer than `graceMs` have
   * their signal fired and are answered `ABORTED`, outcome unknown. Idempotent.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** `drain` without grace. Leaves the transport open. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** @throws INVALID_OPTION */
export function createNode(options: NodeOptions): Node {
  return new ShardNode(resolveNodeOptions(options));
}

class ShardNode implements Node {
  readonly #options: ResolvedNodeOptions;
  readonly #dispatch: Dispatch;
  readonly #member: Member | undefined;
  readonly #gate: ShardGate;
  readonly #announcer: NodeAnnouncer;
  readonly #events = new Set<(event: NodeEvent) => void>();
  #state: NodeState = 'created';
  #starting: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #self: NodeAddress | undefined;
  readonly #subjects: NodeSubjects;
  readonly #reach: NodeReach;
  /** Resolved when messages do not reach this node any more; made anew when they do. */
  #unreachable = createDeferred();
  /** Resolved when the node begins to end. */
  readonly #closed = createDeferred();
  #isGraceOver = false;
  #endGrace: (() => void) | undefined;
  /** How long handlers may still take when their shard moves. */
  #handOverMs: number;

  constructor(options: ResolvedNodeOptions) {
    this.#options = options;
    const { id, numShards, seed, maxKeyBytes, interceptors, membership } = options;
    const handler = interceptors.reduceRight<Handler>(
      (next, interceptor) => (request, context) =>
        interceptor(request, context, (passedOn) => next(passedOn, context)),
      options.handler,
    );
    const router = createKeyRouter(numShards, seed, (key) => {
      checkKey(key, maxKeyBytes);
    });
    this.#announcer = new NodeAnnouncer(options.transport, options.clock);
    this.#handOverMs = membership?.timing.drainMs ?? 0;
    this.#reach = this.#createReach();
    this.#member =
      membership &&
      new Member({
        ...{ ...options, nodeId: id, membership, host: this.#memberHost() },
        reach: () => this.#reach.reach,
      });
    this.#gate = this.#member === undefined ? staticGate(id, options.shards!) : memberGate(id, this.#member);
    const { types } = options.handler;
    this.#dispatch = new Dispatch({ ...options, nodeId: id, gate: this.#gate, router, handler, types });
    this.#subjects = new NodeSubjects({
      ...{ ...options, nodeId: id, dispatch: this.#dispatch, closedError: () => this.#closedError() },
      onServed: (shard) => this.#reach.onServed(shard),
      onRefused: (shard, error) => this.#reach.onRefused(shard, error),
    });
  }

  get id(): string {
    return this.#options.id;
  }

  get state(): NodeState {
    if (this.#state !== 'serving') return this.#state;
    if (this.#member?.isValid === false) return 'lapsed';
    return this.#reach.reach === 'lost' ? 'unreachable' : 'serving';
  }

  get inFlight(): number {
    return this.#dispatch.inFlight;
  }

  overdue(): readonly OverdueTurn[] {
    const others = this.#options.handler.overdue?.() ?? [];
    return [...this.#dispatch.overdue.list(), ...others].sort((a, b) => b.ageMs - a.ageMs);
  }

  shards(): readonly number[] {
    return this.#gate.shards();
  }

  get unowned(): number {
    return this.#member?.unowned ?? 0;
  }

  owns(shard: number): boolean {
    return (
      this.#state !== 'draining' &&
      this.#state !== 'closed' &&
      this.#gate.admits(shard, this.#options.clock.monoMs())
    );
  }

  onEvent(listener: (event: NodeEvent) => void): () => void {
    this.#events.add(listener);
    return () => {
      this.#events.delete(listener);
    };
  }

  start(): Promise<void> {
    if (this.#ending !== undefined) {
      return Promise.reject(this.#closedError());
    }
    this.#starting ??= this.#start();
    return this.#starting;
  }

  drain(options: DrainOptions = {}): Promise<void> {
    try {
      const { graceMs } = resolve('drain', drainSpec, options);
      this.#ending ??= this.#end(graceMs);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#ending;
  }

  close(): Promise<void> {
    this.#isGraceOver = true;
    this.#endGrace?.();
    return this.drain({ graceMs: 0 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const { random, id } = this.#options;
    this.#state = 'starting';
    try {
      if (this.#member === undefined) await this.#startStatic(nodeAddress(id, randomId(random, 10))!);
      else await this.#startMember(this.#member);
    } catch (error) {
      this.#ending ??= this.#end(0);
      throw error;
    }
  }

  async #startStatic(self: NodeAddress): Promise<void> {
    const { metrics, logger, id } = this.#options;
    const shards = this.#gate.shards();
    const addresses = shards.map((shard): Address => ({ shard }));
    this.#enterAs(self);
    await this.#subjects.serve(self);
    await everySettled(addresses.map((address) => this.#subjects.serve(address)));
    await this.#prove([self, ...addresses], self);
    this.#reach.begin(self);
    // Clients compare themselves with the answer; nobody waits for it.
    inBackground(this.#subjects.serveOrReport(TOPOLOGY_ADDRESS), 'serving the topology', logger);
    this.#state = 'serving';
    metrics.shardsOwned(id, shards.length);
    logger.info({ nodeId: id, shards: shards.length }, `node ${id} serves ${shards.length} shards`);
  }

  async #startMember(member: Member): Promise<void> {
    await Promise.race([member.join(), this.#closed.promise]);
    if (this.#ending !== undefined) throw this.#closedError();
  }

  #memberHost(): MemberHost {
    return {
      enter: (self) => this.#enter(self),
      serve: (shard) => this.#serveShard(shard),
      handOver: (shard) => this.#handOver(shard),
      drop: (shard) => this.#drop(shard),
      onEvent: (event) => this.#onShardEvent(event),
    };
  }

  #onShardEvent(event: ShardEvent): void {
    const { metrics, id } = this.#options;
    const isEnding = this.#ending !== undefined;
    switch (event.type) {
      case 'joined':
        if (!isEnding) this.#state = 'serving';
        break;
      case 'fenced':
        if (!isEnding) this.#state = 'fenced';
        break;
      case 'lapsed':
        void this.#dispatch.abortCalls(this.#fencedError('its lease is over'));
        break;
      default:
        metrics.shardsOwned(id, this.#member?.held ?? 0);
        if (event.type === 'acquired' && this.#self !== undefined) this.#announcer.announceSoon(this.#self);
    }
    this.#emit(event);
  }

  /** A new run of this node begins: it has a direct address of its own. */
  async #enter(self: NodeAddress): Promise<void> {
    this.#enterAs(self);
    if (this.#state === 'starting') {
      await this.#subjects.serve(self);
      await this.#prove([self], self);
    } else await this.#subjects.serveOrReport(self);
    this.#reach.begin(self);
    if (!this.#subjects.serves(TOPOLOGY_ADDRESS)) await this.#subjects.serveOrReport(TOPOLOGY_ADDRESS);
  }

  #enterAs(self: NodeAddress): void {
    this.#self = self;
    this.#dispatch.inc = self.inc;
    this.#subjects.enter(self);
    this.#reach.open(self.inc);
  }

  /** As {@link NodeReach.prove}, but ends as soon as the node is closed. */
  async #prove(addresses: readonly Address[], self: NodeAddress): Promise<void> {
    await Promise.race([this.#reach.prove(addresses, self), this.#closed.promise]);
    if (this.#ending !== undefined) throw this.#closedError();
  }

  /** A bus that does not answer is not waited for: the shard could not be given to another node meanwhile. */
  async #serveShard(shard: number): Promise<void> {
    await Promise.race([this.#subjects.serveOrReport({ shard }), this.#unreachable.promise]);
    // Lost before the bus knew the subscription.
    if (this.#gate.epochOf(shard) === undefined) await this.#subjects.leaveShard(shard);
  }

  #createReach(): NodeReach {
    const { transport, membership, id } = this.#options;
    const timing = membership?.timing ?? TIMINGS.default;
    return new NodeReach({
      ...{ ...this.#options, nodeId: id, timing },
      probe: new NodeProbe(transport, timing.leaseMs),
      isCounting: () => this.#member?.isFresh ?? true,
      inbound: () => this.#dispatch.inbound,
      shards: () => this.#subjects.shards(),
      serveAgain: (address) => this.#subjects.serveAgain(address),
      isAway: () => this.#member?.isAway ?? false,
      onChange: (reach, reason) => this.#onReach(reach, reason),
    });
  }

  #onReach(reach: Reach, reason: string): void {
    const { logger, id } = this.#options;
    if (reach === 'lost') {
      this.#unreachable.resolve();
      logger.warn({ nodeId: id, reason }, `node ${id} cannot be reached: ${reason}`);
      this.#emit({ type: 'unreachable', reason });
    } else if (this.#unreachable.isResolved) {
      this.#unreachable = createDeferred();
      logger.info({ nodeId: id }, `node ${id} is reached again`);
      this.#emit({ type: 'reachable' });
    }
    this.#member?.onReach();
  }

  /** Nothing new is admitted any more: finishes what runs, leaves the subject, and saves what is in memory. */
  async #handOver(shard: number): Promise<void> {
    const { handler, clock, logger, id } = this.#options;
    const limitMs = this.#handOverMs;
    const stopTimer = clock.timer(() => {
      const message = `node ${id} handed its shard over before the handler ended`;
      void this.#dispatch.abortCalls(new ClstrError('ABORTED', message), shard);
    }, limitMs);
    const handOver = async (): Promise<void> => {
      try {
        await detached(() => handler.handOver?.(shard, moved(id), limitMs));
      } catch (err) {
        logger.error({ err, shard, nodeId: id }, `handing over shard ${shard} failed`);
      }
    };
    const handedOver = handOver();
    await this.#dispatch.whenVacant(shard);
    const left = this.#subjects.leaveShard(shard);
    // Nothing that is still on its way will come.
    await Promise.race([left, this.#unreachable.promise]);
    await handedOver;
    stopTimer();
  }

  /** The shard is not this node's any more, which what runs finds out by itself; here it ends, and what is in memory. */
  async #drop(shard: number): Promise<void> {
    const { handler, logger, id } = this.#options;
    inBackground(this.#subjects.leaveShard(shard), `leaving shard ${shard}`, logger);
    await this.#dispatch.abortCalls(this.#fencedError(`it lost shard ${shard}`), shard);
    try {
      await detached(() => handler.drop?.(shard, moved(id)));
    } catch (err) {
      logger.error({ err, shard, nodeId: id }, `discarding shard ${shard} failed`);
    }
  }

  #fencedError(why: string): ClstrError {
    return new ClstrError('FENCED', `node ${this.id} stopped the handler: ${why}`);
  }

  #emit(event: NodeEvent): void {
    for (const listener of [...this.#events]) {
      try {
        detached(listener, event);
      } catch (err) {
        this.#options.logger.error({ err, event }, 'a listener of the node threw');
      }
    }
  }

  #closedError(): ClstrError {
    return new ClstrError(
      'TRANSPORT_CLOSED',
      `node ${this.id} was closed; create another one to start again`,
    );
  }

  /** Admission ends first. The subjects stay until all is answered: what was accepted may call this very node. */
  async #end(graceMs: number): Promise<void> {
    const { metrics, logger, id, clock } = this.#options;
    this.#state = 'draining';
    this.#announcer.close();
    inBackground(this.#reach.close(), 'ending the probes', logger);
    this.#closed.resolve();
    this.#subjects.end();
    const startedMs = clock.monoMs();
    this.#handOverMs = this.#isGraceOver ? 0 : graceMs;
    if (this.#member !== undefined) await this.#member.leave(Math.max(graceMs, MIN_HANDLER_CLOSE_MS));
    this.#dispatch.stopAdmitting();
    const leftMs = (): number =>
      this.#isGraceOver ? 0 : Math.max(0, graceMs - (clock.monoMs() - startedMs));
    await this.#answerAll(leftMs());
    await this.#settleReplies(leftMs());
    await this.#subjects.leaveAll();
    await this.#closeHandler(graceMs);
    this.#state = 'closed';
    metrics.shardsOwned(id, 0);
    logger.info({ nodeId: id }, `node ${id} is closed`);
  }

  /** What was answered while the connection was down leaves when it is back. */
  async #settleReplies(limitMs: number): Promise<void> {
    const { transport } = this.#options;
    if (transport.settle === undefined || limitMs === 0) return;
    const graceIsOver = new Promise<void>((resolve) => {
      this.#endGrace = resolve;
    });
    await Promise.race([transport.settle(limitMs), graceIsOver]);
  }

  async #closeHandler(graceMs: number): Promise<void> {
    const { handler, clock, logger, id } = this.#options;
    const limitMs = Math.max(graceMs, MIN_HANDLER_CLOSE_MS);
    let stopTimer: () => void = () => undefined;
    const overdue = new Promise<never>((_resolve, reject) => {
      stopTimer = clock.timer(() => {
        reject(new ClstrError('HANDLER_TIMEOUT', `the handler did not close within ${limitMs} ms`));
      }, limitMs);
    });
    try {
      await Promise.race([detached(() => handler.close?.()), overdue]);
    } catch (err) {
      logger.error({ err, nodeId: id }, 'the handler failed to close');
    } finally {
      stopTimer();
    }
  }

  async #answerAll(graceMs: number): Promise<void> {
    const idle = this.#dispatch.whenIdle();
    const grace = new Promise<void>((resolve) => {
      if (graceMs === 0 || this.#isGraceOver) resolve();
      else {
        const cancel = this.#options.clock.timer(resolve, graceMs);
        this.#endGrace = resolve;
        void idle.then(cancel);
      }
    });
    await Promise.race([idle, grace]);
    await this.#dispatch.abortRunning(
      new ClstrError('ABORTED', `node ${this.id} closed before the handler ended`, { outcome: 'unknown' }),
    );
  }
}

function memberGate(nodeId: string, member: Member): ShardGate {
  return {
    admits: (shard, nowMs) => member.admits(shard, nowMs),
    holds: (shard, epoch) => member.holds(shard, epoch),
    epochOf: (shard) => member.epochOf(shard),
    refusal: (shard) => {
      if (member.holds(shard, undefined)) return new Refusal('MOVED', movedText(nodeId));
      const owner = member.ownerOf(shard);
      const details = owner && { epoch: owner.epoch, ...owner.address };
      return new Refusal('NOT_OWNER', `node ${nodeId} does not own the shard of this message`, details);
    },
    shards: () => member.shards(),
    get isMixed() {
      return member.isMixed;
    },
    topology: () => member.topology(),
  };
}

function moved(nodeId: string): ClstrError {
  return new ClstrError('MOVED', movedText(nodeId));
}

function movedText(nodeId: string): string {
  return `the shard of this message is moving, to or from node ${nodeId}`;
}

/** Like `Promise.all`, but waits for every promise before it reports the first failure. */
async function everySettled(promises: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(promises)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

/** How long a handler may at least take to close, in milliseconds. */
const MIN_HANDLER_CLOSE_MS = 5_000;
