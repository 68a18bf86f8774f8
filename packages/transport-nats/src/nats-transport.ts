/** The transport over NATS: joins one connection with any number of clients and nodes. */
import type { ConnectionEvent, ConnectionState, Logger, Transport } from '@clstr/core';
import type {
  Address,
  ClientLink,
  ClusterLocation,
  EntryReceiver,
  LinkOptions,
  NodeAddress,
  Subscription,
} from '@clstr/core/wire';
import { ClstrError } from '@clstr/core';
import { LateLogger, detached, safeLogger } from '@clstr/core/internal';
import { openConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { NatsLink } from './nats-link.ts';
import { resolveNatsOptions } from './nats-options.ts';
import type { NatsTransportOptions, ResolvedNatsOptions } from './nats-options.ts';
import { NatsServing } from './nats-serving.ts';
import { ReplyRoutes } from './native-replies.ts';
import { createStats } from './stats.ts';
import type { NatsTransportStats } from './stats.ts';
import { announcementsOf, subjectOf } from './subjects.ts';
import { WaitingReplies } from './waiting-replies.ts';

export interface NatsTransport extends Transport {
  /** What was dropped so far. */
  readonly stats: Readonly<NatsTransportStats>;
}

/**
 * Connects to NATS, or takes a connection of yours.
 *
 * @throws INVALID_OPTION, CONNECT_FAILED, AUTH_FAILED
 */
export async function natsTransport(options: NatsTransportOptions = {}): Promise<NatsTransport> {
  const resolved = resolveNatsOptions(options);
  return new ConnectedTransport(await openConnection(resolved), resolved);
}

class ConnectedTransport implements NatsTransport {
  readonly name: string;
  readonly cluster: ClusterLocation;
  readonly stats: NatsTransportStats = createStats();
  readonly #connection: Connection;
  readonly #options: ResolvedNatsOptions;
  readonly #links = new Set<NatsLink>();
  readonly #serving = new Set<NatsServing>();
  readonly #replyRoutes = new WeakMap<NodeAddress, ReplyRoutes>();
  readonly #waiting: WaitingReplies;
  #closing: Promise<void> | undefined;

  constructor(connection: Connection, options: ResolvedNatsOptions) {
    this.name = `nats-${options.wire}`;
    this.cluster = { name: options.cluster, prefix: options.subjectPrefix };
    this.#connection = connection;
    this.#options = options;
    this.#waiting = new WaitingReplies(connection, options, this.stats);
    const announcements = announcementsOf(options.subjectPrefix);
    let isReported = false;
    connection.onDeniedPublish((subject, error) => {
      if (subject !== announcements || isReported) return;
      isReported = true;
      options.logger.warn({ err: error }, 'new owners are not announced: clients find them more slowly');
    });
  }

  get state(): ConnectionState {
    return this.#closing === undefined ? this.#connection.state : 'closed';
  }

  openLink({ clientId, isProbe }: LinkOptions): ClientLink {
    this.#checkOpen();
    // The JSON wire knows no direct addresses.
    const options: ResolvedNatsOptions =
      isProbe === true ? { ...this.#options, wire: 'native' } : this.#options;
    const link: NatsLink = new NatsLink(this.#connection, options, this.stats, clientId, () => {
      this.#links.delete(link);
    });
    this.#links.add(link);
    return link;
  }

  async serve(address: Address, receiver: EntryReceiver, self: NodeAddress): Promise<Subscription> {
    this.#checkOpen();
    const routes = this.#routesOf(self);
    const serving: NatsServing = new NatsServing(
      this.#connection,
      this.#options,
      this.stats,
      address,
      receiver,
      routes,
      () => {
        this.#serving.delete(serving);
      },
    );
    this.#serving.add(serving);
    await serving.confirm();
    return serving;
  }

  /** As a reply batch does, it names its node by the NATS reply subject. */
  announce(self: NodeAddress): void {
    const { subjectPrefix, logger } = this.#options;
    if (this.#closing !== undefined || !this.#connection.isConnected) return;
    try {
      const subject = announcementsOf(subjectPrefix);
      this.#connection.publish(subject, NO_BYTES, subjectOf(subjectPrefix, self));
    } catch (err) {
      logger.warn({ err }, 'new owners cannot be announced');
    }
  }

  useLogger(logger: Logger): void {
    const own = this.#options.logger;
    if (own instanceof LateLogger) own.use(safeLogger(logger));
  }

  onConnection(listener: (event: ConnectionEvent) => void): () => void {
    return this.#connection.onState((event) => detached(listener, event));
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
    const startedMs = this.#options.clock.monoMs();
    for (const link of [...this.#links]) link.flush();
    await Promise.all([...this.#serving].map((serving) => serving.close()));
    for (const link of [...this.#links]) link.fail();
    await this.#waiting.settle(LAST_ANSWER_MS - (this.#options.clock.monoMs() - startedMs));
    this.#waiting.end();
    await this.#connection.close(startedMs);
  }

  /** One set of routes per run of a node, so that replies from all its addresses share batches. */
  #routesOf(self: NodeAddress): ReplyRoutes {
    let routes = this.#replyRoutes.get(self);
    if (routes === undefined) {
      const { subjectPrefix, inboxPrefixes } = this.#options;
      const direct = subjectOf(subjectPrefix, self);
      routes = new ReplyRoutes(this.#connection, this.stats, direct, inboxPrefixes, this.#waiting);
      this.#replyRoutes.set(self, routes);
    }
    return routes;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined || this.#connection.isClosed) {
      throw new ClstrError('TRANSPORT_CLOSED', 'this NATS transport is closed');
    }
  }
}

/** How long the end waits for a connection that is down, when replies do. */
const LAST_ANSWER_MS = 2_000;
const NO_BYTES = new Uint8Array(0);
