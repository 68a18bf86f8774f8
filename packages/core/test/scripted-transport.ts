/** A transport in a test's hand: it keeps what it is given, and answers only when told to. */
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';
import { ClstrError } from '../src/base/errors.ts';
import type {
  Address,
  ClientLink,
  ConnectionEvent,
  ConnectionState,
  EntryReceiver,
  LinkOptions,
  NodeAddress,
  OutboundEntry,
  ReplySink,
  Subscription,
  Transport,
} from '../src/wire/transport.ts';

/** An entry as the client gave it to its link, and the way back. */
export class Sent {
  readonly to: Address;
  readonly entry: OutboundEntry;
  readonly sink: ReplySink;
  readonly attempt: number;

  constructor(to: Address, entry: OutboundEntry, sink: ReplySink) {
    this.to = to;
    this.entry = entry;
    this.sink = sink;
    this.attempt = entry.attempt;
  }

  leave(): this {
    this.sink.onSent();
    return this;
  }

  /** Leaves, and resolves when what waits for that has run. */
  async left(): Promise<void> {
    this.leave();
    await Promise.resolve();
  }

  /** Answers with a value as JSON, or with bytes as they are. */
  reply(value: unknown, from?: NodeAddress): void {
    const isRaw = value instanceof Uint8Array;
    const payload = isRaw ? value : new TextEncoder().encode(JSON.stringify(value));
    this.leave().sink.onReply({ error: undefined, payload, isRaw, from });
  }

  /** Answers with bytes that claim to be of the codec. */
  replyEncoded(text: string): void {
    const payload = new TextEncoder().encode(text);
    this.leave().sink.onReply({ error: undefined, payload, isRaw: false, from: undefined });
  }

  /** The node answers with an error. */
  refuse(error: ClstrError): void {
    this.leave().sink.onReply({ error, payload: new Uint8Array(0), isRaw: false, from: undefined });
  }

  /** The transport fails. */
  fail(error: ClstrError): void {
    this.sink.onError(error);
  }
}

/** One address that a node asked to be served; it is, once `confirmed` resolves. */
export interface Served {
  readonly address: Address;
  readonly receiver: EntryReceiver;
  readonly self: NodeAddress;
  readonly confirmed: Deferred<undefined>;
  /** Resolve it to take the subscription away. */
  readonly ended: Deferred<ClstrError>;
  isClosed: boolean;
}

export class ScriptedTransport implements Transport {
  readonly name = 'scripted';
  readonly clientIds: number[] = [];
  readonly sent: Sent[] = [];
  readonly cancelled: number[] = [];
  readonly released: number[] = [];
  readonly served: Served[] = [];
  readonly announced: NodeAddress[] = [];
  /** What the last link listens with, if it does. */
  announceTo: ((from: NodeAddress | undefined) => void) | undefined;
  /** What happened to links and addresses, in order. */
  readonly events: string[] = [];
  link: ClientLink | undefined;
  state: ConnectionState = 'connected';
  /** Addresses are served at once, unless this is false. */
  confirmsAtOnce = true;
  /** What a node sends to its own addresses comes back by itself; otherwise it is in `sent`. */
  answersProbes = true;
  readonly #listeners = new Set<(event: ConnectionEvent) => void>();
  /** The transports of other services, by name. */
  readonly services = new Map<string, ScriptedTransport>();

  service(name: string): ScriptedTransport {
    let found = this.services.get(name);
    if (found === undefined) this.services.set(name, (found = new ScriptedTransport()));
    return found;
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** The newest entry. */
  get last(): Sent {
    return this.sent.at(-1)!;
  }

  openLink({ clientId, isProbe }: LinkOptions): ClientLink {
    this.clientIds.push(clientId);
    const link: ClientLink = {
      send: (to, entry, sink) => {
        if (isProbe === true && this.answersProbes) queueMicrotask(() => this.#bringBack(to, entry, sink));
        else this.sent.push(new Sent(to, entry, sink));
      },
      cancel: (attempt) => {
        this.cancelled.push(attempt);
      },
      release: (attempt) => {
        this.released.push(attempt);
      },
      onAnnouncement: (listener) => {
        this.announceTo = listener;
      },
      onDuplicateReply: undefined,
      close: async () => {
        if (isProbe !== true) this.events.push('link closed');
      },
    };
    if (isProbe !== true) this.link = link;
    return link;
  }

  /** What a node sends to itself reaches whoever it served the address with. */
  #bringBack(to: Address, entry: OutboundEntry, sink: ReplySink): void {
    const found = this.served.findLast(({ address, isClosed }) => !isClosed && isSame(address, to));
    if (found === undefined) {
      sink.onError(new ClstrError('NO_SUBSCRIBER', 'nobody listens'));
      return;
    }
    const inbound = { ...entry, clientId: 0, ttlMs: undefined, receivedAtMs: 0 };
    found.receiver.onEntry(inbound, {
      reply: (_entry, payload, isRaw) => {
        sink.onReply({ error: undefined, payload, isRaw, from: found.self });
      },
      fail: () => undefined,
    });
  }

  async serve(address: Address, receiver: EntryReceiver, self: NodeAddress): Promise<Subscription> {
    const served: Served = {
      address,
      receiver,
      self,
      confirmed: deferred<undefined>(),
      ended: deferred<ClstrError>(),
      isClosed: false,
    };
    this.served.push(served);
    if (this.confirmsAtOnce) served.confirmed.resolve(undefined);
    await served.confirmed.promise;
    return {
      ended: served.ended.promise,
      close: async () => {
        served.isClosed = true;
        this.events.push(`${'shard' in address ? `shard ${address.shard}` : 'direct'} closed`);
      },
    };
  }

  announce(self: NodeAddress): void {
    this.announced.push(self);
  }

  onConnection(listener: (event: ConnectionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Tells everybody of a change of the connection. */
  become(state: ConnectionState): void {
    this.state = state;
    for (const listener of [...this.#listeners]) listener({ state, server: undefined });
  }

  async close(): Promise<void> {
    this.events.push('transport closed');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function isSame(a: Address, b: Address): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
