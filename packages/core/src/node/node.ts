/** A node: serves a set of shards over a transport until it drains or closes. */
import { counted } from '../base/count-text.ts';
import type { Node, NodeEvent } from './api.ts';
import { Dispatch } from './dispatch.ts';
import { checkKey } from '../wire/envelope.ts';
import { ClstrError } from '../base/errors.ts';
import type { Handler } from './handler.ts';
import { detached } from '../base/async-context.ts';
import { inBackground } from '../base/background.ts';
import { within } from '../base/clock.ts';
import { everySettled } from '../base/every-settled.ts';
import type { NodeState } from '../base/node-state.ts';
import { createDeferred } from '../base/deferred.ts';
import type { OverdueTurn } from '../base/overdue-turns.ts';
import { Member } from '../cluster/member.ts';
import { TIMINGS } from '../cluster/timing.ts';
import { createAnnouncer } from './announcer.ts';
import type { Announcer } from './announcer.ts';
import { Grace, drainNode } from './draining.ts';
import { drainSpec, resolveNodeOptions } from './options.ts';
import type { DrainOptions, NodeOptions, ResolvedNodeOptions } from './options.ts';
import { withNodeHandlers } from './node-handlers.ts';
import { NodeProbe } from './probe.ts';
import { NodeSubjects } from './subjects.ts';
import { NodeReach } from './reach.ts';
import { resolve } from '../base/spec.ts';
import { movedText } from '../cluster/shards.ts';
import type { FormerOwner, NodeHost, Reach, ShardEvent, Shards } from '../cluster/shards.ts';
import { staticShards } from './static-shards.ts';
import { createKeyRouter } from '../placement/shard.ts';
import type { Address, NodeAddress } from '../wire/transport.ts';
import { TOPOLOGY_ADDRESS } from '../wire/transport.ts';

/** How long a node that has given its shards away stays for their next owners to fetch what it keeps. */
const FETCH_MS = 1_000;

/** @throws INVALID_OPTION */
export function createNode(options: NodeOptions): Node {
  return new ShardNode(resolveNodeOptions(options));
}

class ShardNode implements Node {
  readonly #options: ResolvedNodeOptions;
  readonly #shards: Shards;
  readonly #dispatch: Dispatch;
  readonly #subjects: NodeSubjects;
  readonly #reach: NodeReach;
  readonly #announcer: Announcer;
  readonly #events = new Set<(event: NodeEvent) => void>();
  #state: NodeState = 'created';
  #starting: Promise<void> | undefined;
  #ending: Promise<void> | undefined;
  #self: NodeAddress | undefined;
  /** Resolved while messages do not reach this node; replaced when they do again. */
  #unreachable = createDeferred();
  /** Resolved when the node begins to end. */
  readonly #closed = createDeferred();
  readonly #grace: Grace;
  /** How long handlers may still take when their shard moves. */
  #handOverMs: number;

  constructor(options: ResolvedNodeOptions) {
    this.#options = options;
    const { id, numShards, seed, maxKeyBytes, membership, transport, clock, random } = options;
    const handler = options.interceptors.reduceRight<Handler>(
      (next, interceptor) => (request, context) =>
        interceptor(request, context, (passedOn) => next(passedOn, context)),
      withNodeHandlers(options.handler, options.nodeHandlers),
    );
    const router = createKeyRouter(numShards, seed, (key) => {
      checkKey(key, maxKeyBytes);
    });
    const own = { ...options, nodeId: id };
    this.#announcer = createAnnouncer(transport, clock);
    this.#grace = new Grace(clock);
    this.#handOverMs = membership?.timing.drainMs ?? 0;
    this.#shards =
      membership === undefined
        ? staticShards(id, options.shards!, random)
        : new Member({ ...own, membership });
    const timing = membership?.timing ?? TIMINGS.default;
    const probe = new NodeProbe(transport, timing.leaseMs);
    this.#reach = new NodeReach({
      ...own,
      timing,
      probe,
      isCounting: () => this.#shards.isFresh,
      inbound: () => this.#dispatch.inbound,
      shards: () => this.#subjects.shards(),
      serveAgain: (address) => this.#subjects.serveAgain(address),
      isAway: () => this.#shards.isAway,
      onChange: (reach, reason) => this.#onReach(reach, reason),
    });
    const ownTypes = Object.keys(options.nodeHandlers);
    const { types: ofHandler, keepsReplies } = options.handler;
    const types = ofHandler && [...ofHandler, ...ownTypes];
    this.#dispatch = new Dispatch({
      ...own,
      shards: this.#shards,
      router,
      handler,
      types,
      keepsReplies,
      cluster: transport.cluster,
      asker: probe,
      hasNodeHandlers: ownTypes.length > 0,
    });
    this.#subjects = new NodeSubjects({
      ...own,
      dispatch: this.#dispatch,
      closedError: () => this.#closedError(),
      onServed: (shard) => this.#reach.onServed(shard),
      onRefused: (shard, error) => this.#reach.onRefused(shard, error),
    });
    const { readings } = transport;
    options.metrics.watchNode(this);
    if (readings !== undefined) options.metrics.watchTransport(readings);
  }

  get id(): string {
    return this.#options.id;
  }

  get state(): NodeState {
    if (this.#state !== 'serving') return this.#state;
    if (!this.#shards.isValid) return 'lapsed';
    return this.#reach.reach === 'lost' ? 'unreachable' : 'serving';
  }

  get inFlight(): number {
    return this.#dispatch.inFlight;
  }

  get waiting(): number {
    return this.#dispatch.waiting;
  }

  get isShedding(): boolean {
    return this.#dispatch.isShedding;
  }

  overdue(): readonly OverdueTurn[] {
    const others = this.#options.handler.overdue?.() ?? [];
    return [...this.#dispatch.overdue.list(), ...others].sort((a, b) => b.ageMs - a.ageMs);
  }

  shards(): readonly number[] {
    return this.#shards.list();
  }

  get unowned(): number {
    return this.#shards.unowned;
  }

  get wanted(): number {
    return this.#shards.wanted;
  }

  get leaseMarginMs(): number | undefined {
    return this.#shards.leaseMarginMs;
  }

  get storeTrouble(): string | undefined {
    return this.#state === 'closed' ? undefined : this.#shards.storeTrouble;
  }

  get reach(): Reach {
    return this.#reach.reach;
  }

  owns(shard: number): boolean {
    if (this.#state === 'draining' || this.#state === 'closed') return false;
    return this.#shards.admits(shard, this.#options.clock.monoMs());
  }

  onEvent(listener: (event: NodeEvent) => void): () => void {
    this.#events.add(listener);
    return () => {
      this.#events.delete(listener);
    };
  }

  start(): Promise<void> {
    if (this.#ending !== undefined) return Promise.reject(this.#closedError());
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
    this.#grace.end();
    return this.drain({ graceMs: 0 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #start(): Promise<void> {
    const { logger, id } = this.#options;
    this.#state = 'starting';
    const host: NodeHost = {
      enter: (self, shards) => this.#enter(self, shards),
      serve: (shard, former) => this.#serveShard(shard, former),
      handOver: (shard) => this.#handOver(shard),
      drop: (shard) => this.#drop(shard),
      onEvent: (event) => this.#onShardEvent(event),
      reach: () => this.#reach.reach,
    };
    try {
      await this.#unlessClosed(this.#shards.start(host));
    } catch (error) {
      this.#ending ??= this.#end(0);
      throw error;
    }
    if (this.state !== 'starting') return;
    const { count } = this.#shards;
    this.#state = 'serving';
    logger.info(
      { event: 'node.serving', nodeId: id, shards: count },
      `node ${id} serves ${counted(count, 'shard')}`,
    );
  }

  #onShardEvent(event: ShardEvent): void {
    const isEnding = this.#ending !== undefined;
    switch (event.type) {
      case 'joined':
        if (!isEnding) this.#state = 'serving';
        break;
      case 'fenced':
        if (!isEnding) this.#state = 'fenced';
        break;
      case 'lapsed':
        this.#dispatch.idempotency.onStall();
        void this.#dispatch.abortCalls(this.#fencedError('its lease is over'));
        break;
      default:
        this.#logChange(event);
        if (event.type === 'acquired' && this.#self !== undefined) this.#announcer.announceSoon(this.#self);
    }
    this.#emit(event);
  }

  #logChange({ shard, type: change }: Exclude<ShardEvent, { type: 'joined' | 'fenced' | 'lapsed' }>): void {
    const { logger, id } = this.#options;
    const fields = { event: 'node.shard_changed', nodeId: id, shard, change };
    logger.debug(fields, `node ${id} has ${change} shard ${shard}`);
  }

  /** Begins a new incarnation of this node, with a direct address of its own. */
  async #enter(self: NodeAddress, shards: readonly number[]): Promise<void> {
    const { membership, logger } = this.#options;
    this.#self = self;
    this.#dispatch.inc = self.inc;
    this.#subjects.enter(self);
    this.#reach.open(self.inc);
    if (this.#state === 'starting') {
      const addresses = shards.map((shard): Address => ({ shard }));
      await this.#subjects.serve(self);
      await everySettled(addresses.map((address) => this.#subjects.serve(address)));
      await this.#unlessClosed(this.#reach.prove([self, ...addresses], self));
    } else await this.#subjects.serveOrReport(self);
    this.#reach.begin(self);
    if (this.#subjects.serves(TOPOLOGY_ADDRESS)) return;
    const served = this.#subjects.serveOrReport(TOPOLOGY_ADDRESS);
    // Clients of a static cluster only compare themselves with the answer, so the start does not wait for this.
    if (membership === undefined) inBackground(served, 'serving the topology', logger);
    else await served;
  }

  async #unlessClosed(work: Promise<void>): Promise<void> {
    await Promise.race([work, this.#closed.promise]);
    if (this.#ending !== undefined) throw this.#closedError();
  }

  /** Does not wait for a bus that does not answer: the shard could not go to another node in the meantime. */
  async #serveShard(shard: number, former: FormerOwner | undefined): Promise<void> {
    this.#dispatch.idempotency.acquired(shard, former);
    await Promise.race([this.#subjects.serveOrReport({ shard }), this.#unreachable.promise]);
    // The shard was lost before the bus knew the subscription.
    if (this.#shards.epochOf(shard) === undefined) await this.#subjects.leaveShard(shard);
  }

  #onReach(reach: Reach, reason: string): void {
    const { logger, id } = this.#options;
    if (reach === 'lost') {
      this.#unreachable.resolve();
      logger.warn(
        { event: 'node.unreachable', nodeId: id, reason },
        `node ${id} cannot be reached: ${reason}`,
      );
      this.#emit({ type: 'unreachable', reason });
    } else if (this.#unreachable.isResolved) {
      this.#unreachable = createDeferred();
      logger.info({ event: 'node.reachable', nodeId: id }, `node ${id} is reached again`);
      this.#emit({ type: 'reachable' });
    }
    this.#shards.onReach();
  }

  /** Admission has ended: finishes running calls, leaves the subject, and saves what is in memory. */
  async #handOver(shard: number): Promise<string | undefined> {
    const { handler, clock, id } = this.#options;
    const limitMs = this.#handOverMs;
    const stopTimer = clock.timer(() => {
      const message = `node ${id} handed its shard over before the handler ended`;
      void this.#dispatch.abortCalls(new ClstrError('ABORTED', message), shard);
    }, limitMs);
    this.#dispatch.refuseWaiting(shard, moved(id));
    const handOver = (): unknown => handler.handOver?.(shard, moved(id), limitMs);
    const handedOver = this.#endInHandler(shard, `handing over shard ${shard}`, handOver);
    await this.#dispatch.whenVacant(shard);
    const left = this.#subjects.leaveShard(shard);
    // An unreachable node gets no messages that are still on their way.
    await Promise.race([left, this.#unreachable.promise]);
    await handedOver;
    stopTimer();
    return this.#dispatch.idempotency.release(shard);
  }

  /** The node has lost the shard: ends its running calls, and drops what is in memory. */
  async #drop(shard: number): Promise<void> {
    const { handler, logger, id } = this.#options;
    inBackground(this.#subjects.leaveShard(shard), `leaving shard ${shard}`, logger);
    await this.#dispatch.abortCalls(this.#fencedError(`it lost shard ${shard}`), shard);
    this.#dispatch.idempotency.dropped(shard);
    await this.#endInHandler(shard, `discarding shard ${shard}`, () => handler.drop?.(shard, moved(id)));
  }

  async #endInHandler(shard: number, what: string, work: () => unknown): Promise<void> {
    try {
      await detached(work);
    } catch (err) {
      this.#options.logger.error(
        { event: 'handler.shard_not_ended', err, shard, nodeId: this.id },
        `${what} failed`,
      );
    }
  }

  #fencedError(why: string): ClstrError {
    return new ClstrError('FENCED', `node ${this.id} stopped the handler: ${why}`);
  }

  #emit(event: NodeEvent): void {
    this.#options.metrics.nodeEvent(this.id, event.type);
    for (const listener of [...this.#events]) {
      try {
        detached(listener, event);
      } catch (err) {
        this.#options.logger.error(
          { event: 'node.listener_threw', err, nodeEvent: event },
          'a listener of the node threw',
        );
      }
    }
  }

  #closedError(): ClstrError {
    const message = `node ${this.id} was closed; create another one to start again`;
    return new ClstrError('TRANSPORT_CLOSED', message);
  }

  async #end(graceMs: number): Promise<void> {
    const { logger, id } = this.#options;
    this.#state = 'draining';
    this.#announcer.close();
    inBackground(this.#reach.close(), 'ending the probes', logger);
    this.#closed.resolve();
    this.#subjects.end();
    this.#grace.begin(graceMs);
    this.#handOverMs = this.#grace.isOver ? 0 : graceMs;
    const leaving = this.#shards.leave(this.#grace.atLeastMs);
    if (leaving !== undefined) {
      await leaving;
      const fetched = within(
        this.#options.clock,
        this.#dispatch.idempotency.handedOver.whenFetched(),
        FETCH_MS,
      );
      await this.#grace.wait(fetched);
    }
    await drainNode(this.#options, {
      dispatch: this.#dispatch,
      subjects: this.#subjects,
      grace: this.#grace,
    });
    this.#state = 'closed';
    logger.info({ event: 'node.closed', nodeId: id }, `node ${id} is closed`);
  }
}

function moved(nodeId: string): ClstrError {
  return new ClstrError('MOVED', movedText(nodeId));
}
