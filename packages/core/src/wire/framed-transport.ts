/** The engine: a transport on any bus, which connects any number of clients and nodes to that bus. */
import type { Clock } from '../base/clock.ts';
import { detached } from '../base/async-context.ts';
import { systemClock } from '../base/clock.ts';
import { ClstrError } from '../base/errors.ts';
import { FloodLog } from '../base/flood-log.ts';
import { LateLogger } from '../base/late-logger.ts';
import type { Logger } from '../base/logger.ts';
import { safeLogger } from '../base/observers.ts';
import type { WatchedTransport } from '../base/watched.ts';
import type { Bus } from './bus.ts';
import type { Engine } from './engine.ts';
import { FrameWire } from './frame-wire.ts';
import { Link } from './link.ts';
import type { ClientWire, WireHost } from './link.ts';
import { ReplyRoutes } from './reply-routes.ts';
import { ServedAddress } from './served-address.ts';
import type { ForeignReader } from './served-address.ts';
import { createStats, watchedTransport } from './stats.ts';
import type { TransportStats } from './stats.ts';
import { DEFAULT_SERVICE, serviceLocation } from './service.ts';
import { announcementsOf, subjectOf } from './subjects.ts';
import type {
  Address,
  ClientLink,
  ClusterLocation,
  ConnectionEvent,
  ConnectionState,
  EntryReceiver,
  LinkOptions,
  NodeAddress,
  Subscription,
  Transport,
} from './transport.ts';
import { WaitingReplies } from './waiting-replies.ts';

export interface FramedTransportOptions extends Partial<Omit<Engine, 'bus' | 'prefix' | 'defer' | 'stats'>> {
  readonly name: string;
  readonly cluster?: ClusterLocation | undefined;
  /** Creates the wire of all links but those of probes. Default: frames. */
  readonly createWire?: ((host: WireHost) => ClientWire) | undefined;
  /** Reads messages to nodes that are not frames. */
  readonly foreign?: ForeignReader | undefined;
}

export interface FramedTransport extends Transport {
  /** Counts of what was sent and dropped so far. */
  readonly stats: Readonly<TransportStats>;
  readonly readings: WatchedTransport;
  settle(limitMs: number): Promise<void>;
  useLogger(logger: Logger): void;
}

/** Creates a transport that speaks the native wire on `bus`, and closes the bus at its end. */
export function framedTransport(bus: Bus, options: FramedTransportOptions): FramedTransport {
  return new EngineTransport(bus, options, undefined);
}

class EngineTransport implements FramedTransport, Engine {
  readonly name: string;
  readonly cluster: ClusterLocation | undefined;
  readonly stats: TransportStats;
  readonly readings: WatchedTransport;
  readonly bus: Bus;
  readonly prefix: string;
  readonly defer: (work: () => void) => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly floodLog: Pick<FloodLog, 'error'>;
  readonly maxWaiting: number;
  readonly maxWaitingBytes: number;
  readonly #options: FramedTransportOptions;
  /** The transport of the whole cluster, which has the bus; undefined where this is it. */
  readonly #whole: EngineTransport | undefined;
  readonly #services = new Map<string, EngineTransport>();
  readonly #links = new Set<Link>();
  readonly #served = new Set<ServedAddress>();
  readonly #replyRoutes = new WeakMap<NodeAddress, ReplyRoutes>();
  readonly #waiting: WaitingReplies;
  readonly #stopListening: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor(bus: Bus, options: FramedTransportOptions, whole: EngineTransport | undefined) {
    this.#options = options;
    this.#whole = whole;
    this.bus = bus;
    this.prefix = whole === undefined ? bus.prefix : options.cluster!.prefix;
    this.stats = whole?.stats ?? createStats();
    this.defer = bus.defer?.bind(bus) ?? queueMicrotask;
    this.name = options.name;
    this.readings = whole?.readings ?? watchedTransport(this, this.stats);
    this.cluster = options.cluster;
    this.clock = options.clock ?? systemClock;
    this.logger = options.logger ?? new LateLogger();
    this.floodLog = options.floodLog ?? new FloodLog(this.logger, this.clock);
    this.maxWaiting = options.maxWaiting ?? 16_384;
    this.maxWaitingBytes = options.maxWaitingBytes ?? 67_108_864;
    this.#waiting = new WaitingReplies(this);
    const announcements = announcementsOf(this.prefix);
    let isReported = false;
    this.#stopListening = bus.onDenied?.((subject, error) => {
      if (subject !== announcements || isReported) return;
      isReported = true;
      this.logger.warn(
        { event: 'node.announcing_denied', err: error },
        'new owners are not announced: clients find them more slowly',
      );
    });
  }

  get state(): ConnectionState {
    return this.#closing === undefined ? this.bus.state : 'closed';
  }

  openLink({ clientId, isProbe }: LinkOptions): ClientLink {
    this.#checkOpen();
    // Probes use frames, because another wire may not know direct addresses.
    const createWire = isProbe === true ? undefined : this.#options.createWire;
    const link: Link = new Link(this, clientId, createWire ?? ((host) => new FrameWire(host)), () => {
      this.#links.delete(link);
    });
    this.#links.add(link);
    return link;
  }

  async serve(address: Address, receiver: EntryReceiver, self: NodeAddress): Promise<Subscription> {
    this.#checkOpen();
    const routes = this.#routesOf(self);
    const served: ServedAddress = new ServedAddress(routes, address, receiver, this.#options.foreign, () => {
      this.#served.delete(served);
    });
    this.#served.add(served);
    await served.confirm();
    return served;
  }

  /** Like a batch of replies, an announcement names its node by the reply subject. */
  announce(self: NodeAddress): void {
    const { bus, prefix, logger } = this;
    if (this.#closing !== undefined || !bus.isConnected) return;
    try {
      const direct = subjectOf(prefix, self);
      bus.open(direct).publish(announcementsOf(prefix), NO_BYTES, direct, 1);
    } catch (err) {
      logger.warn({ event: 'node.announcing_failed', err }, 'new owners cannot be announced');
    }
  }

  service(name: string): Transport {
    if (this.#whole !== undefined) return this.#whole.service(name);
    if (name === DEFAULT_SERVICE) return this;
    this.#checkOpen();
    let found = this.#services.get(name);
    if (found === undefined || found.state === 'closed') {
      const { clock, logger, floodLog } = this;
      const cluster = serviceLocation(this.cluster ?? { name: undefined, prefix: this.prefix }, name);
      found = new EngineTransport(this.bus, { ...this.#options, cluster, clock, logger, floodLog }, this);
      this.#services.set(name, found);
    }
    return found;
  }

  useLogger(logger: Logger): void {
    if (this.logger instanceof LateLogger) this.logger.use(safeLogger(logger));
  }

  onConnection(listener: (event: ConnectionEvent) => void): () => void {
    return this.bus.onState((event) => detached(listener, event));
  }

  settle(limitMs: number): Promise<void> {
    return this.#waiting.settle(limitMs);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const startedMs = this.clock.monoMs();
    for (const link of [...this.#links]) link.flush();
    const parts = [...this.#services.values(), ...this.#served];
    await Promise.all(parts.map((part) => part.close()));
    await this.bus.flush?.();
    for (const link of [...this.#links]) link.fail();
    await this.#waiting.settle(LAST_ANSWER_MS - (this.clock.monoMs() - startedMs));
    this.#waiting.end();
    this.#stopListening?.();
    if (this.#whole === undefined) await this.bus.close(startedMs);
  }

  /** One set of routes per run of a node, so that replies from all its addresses share batches. */
  #routesOf(self: NodeAddress): ReplyRoutes {
    let routes = this.#replyRoutes.get(self);
    if (routes === undefined) {
      routes = new ReplyRoutes(this, subjectOf(this.prefix, self), this.#waiting);
      this.#replyRoutes.set(self, routes);
    }
    return routes;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined || this.bus.state === 'closed') {
      throw new ClstrError('TRANSPORT_CLOSED', `this ${this.bus.label} transport is closed`);
    }
  }
}

/** How long `close` waits for a connection that is down if replies wait for it. */
const LAST_ANSWER_MS = 2_000;
const NO_BYTES = new Uint8Array(0);
