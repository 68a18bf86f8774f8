/** A transport over Redis publish and subscribe: all that a bus has to do. `docs/how-to/write-a-transport.md` explains it. */
import { randomUUID } from 'node:crypto';
import { ClstrError } from '@clstr/core';
import type { Clock, ConnectionEvent, ConnectionState, Transport } from '@clstr/core';
import { framedTransport } from '@clstr/core/wire';
import type { Bus, BusListener, BusPort, BusSubscription } from '@clstr/core/wire';
import { Redis, ReplyError } from 'ioredis';

export interface RedisTransportOptions {
  /** Default `redis://127.0.0.1:6379`. */
  url?: string | undefined;
  /** First part of all channels: clusters with different prefixes share a Redis. Default `clstr`. */
  prefix?: string | undefined;
  clock?: Clock | undefined;
}

/** @throws what Redis says when the first connection fails */
export async function redisTransport(options: RedisTransportOptions = {}): Promise<Transport> {
  const { url = 'redis://127.0.0.1:6379', prefix = 'clstr', clock } = options;
  const bus = new RedisBus(url, prefix);
  await bus.connect();
  return framedTransport(bus, { name: 'redis', ...(clock && { clock }) });
}

/** Redis does not bound a message below 512 MB; a node should. */
const MAX_PAYLOAD = 1_048_576;
/** How long the winner of a shared message is remembered. */
const CLAIM_MS = 10_000;

class RedisBus implements Bus, BusPort {
  readonly label = 'Redis';
  readonly limitedBy = 'of this transport';
  readonly prefix: string;
  readonly inboxPrefixes: readonly string[];
  readonly maxPayload = MAX_PAYLOAD;
  readonly batchBytes = 24_576;
  readonly batchEntries: number = Infinity;
  state: ConnectionState = 'disconnected';
  isConnected = false;
  readonly #server: string;
  /** A connection that subscribes may not publish. */
  readonly #publisher: Redis;
  readonly #subscriber: Redis;
  readonly #channels = new Map<string, Set<BusListener>>();
  readonly #stateListeners = new Set<(event: ConnectionEvent) => void>();
  readonly #deniedListeners = new Set<(subject: string, error: ClstrError) => void>();

  constructor(url: string, prefix: string) {
    this.prefix = prefix;
    this.inboxPrefixes = [`${prefix}.inbox`];
    this.#server = new URL(url).host;
    // The engine keeps what waits for the connection; Redis must not send it later a second time.
    const options = { lazyConnect: true, maxRetriesPerRequest: null, autoResendUnfulfilledCommands: false };
    this.#publisher = new Redis(url, { ...options, enableOfflineQueue: false });
    this.#subscriber = new Redis(url, options);
    for (const redis of [this.#publisher, this.#subscriber]) {
      redis.on('ready', () => this.#look());
      redis.on('close', () => this.#look());
      redis.on('error', () => undefined); // `close` follows
    }
    this.#subscriber.on('messageBuffer', (channel: Buffer, message: Buffer) => {
      this.#onMessage(channel.toString(), message);
    });
  }

  async connect(): Promise<void> {
    try {
      await Promise.all([this.#publisher.connect(), this.#subscriber.connect()]);
    } catch (cause) {
      await this.close();
      throw new ClstrError('CONNECT_FAILED', `Redis at ${this.#server} cannot be reached`, { cause });
    }
  }

  /** Redis does not ask who sends. */
  open(): BusPort {
    return this;
  }

  inboxOf(): string {
    return `${this.prefix}.inbox.${randomUUID()}`;
  }

  /** Redis answers with the number of subscribers, and only then is it known that there is none. */
  publish(subject: string, bytes: Uint8Array, reply = ''): boolean {
    const message = Buffer.concat([Buffer.from(`${subject}\n${reply}\n`), bytes]);
    this.#publisher.publish(this.#channelOf(subject), message).then(
      (subscribers) => {
        if (subscribers === 0) this.#onUndelivered(reply);
      },
      (error: unknown) => {
        if (error instanceof ReplyError) this.#onDenied(subject, error as Error);
      },
    );
    return true;
  }

  subscribe(subject: string, listener: BusListener, isShared = false): BusSubscription {
    const channel = this.#channelOf(subject);
    const own = isShared ? this.#claiming(listener) : listener;
    let listeners = this.#channels.get(channel);
    if (listeners === undefined) this.#channels.set(channel, (listeners = new Set()));
    listeners.add(own);
    const subscribed = this.#subscriber.subscribe(channel).catch((cause: unknown) => {
      if (this.state !== 'closed') own.onEnded(refused(`subscribe to ${channel}`, cause));
    });
    const leaveChannel = async (): Promise<void> => {
      await this.#subscriber.unsubscribe(channel).catch(() => undefined);
      if (listeners.size === 0) this.#channels.delete(channel);
    };
    return {
      ready: async () => {
        await subscribed;
      },
      unsubscribe: async () => {
        listeners.delete(own);
        if (listeners.size === 0) await leaveChannel();
      },
      // What was on its way has arrived before the answer to UNSUBSCRIBE.
      drain: async () => {
        if (listeners.size === 1) await leaveChannel();
        listeners.delete(own);
      },
    };
  }

  onState(listener: (event: ConnectionEvent) => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  onDenied(listener: (subject: string, error: ClstrError) => void): () => void {
    this.#deniedListeners.add(listener);
    return () => this.#deniedListeners.delete(listener);
  }

  /** QUIT is answered after all that was published before. */
  async close(): Promise<void> {
    this.#enter('closed');
    await Promise.all(
      [this.#publisher, this.#subscriber].map((redis) => redis.quit().catch(() => redis.disconnect())),
    );
  }

  /** All messages to one inbox come on one channel. */
  #channelOf(subject: string): string {
    const isOfInbox = subject.startsWith(`${this.prefix}.inbox.`);
    return isOfInbox ? subject.slice(0, subject.lastIndexOf('.')) : subject;
  }

  #onMessage(channel: string, message: Buffer): void {
    const subjectEnd = message.indexOf('\n');
    const replyEnd = message.indexOf('\n', subjectEnd + 1);
    if (replyEnd < 0) return;
    const subject = message.toString('latin1', 0, subjectEnd);
    const reply = message.toString('latin1', subjectEnd + 1, replyEnd);
    const data = message.subarray(replyEnd + 1);
    for (const listener of this.#channels.get(channel) ?? []) listener.onMessage({ subject, reply, data });
  }

  /** Redis gives a message to all subscribers: the first that claims it takes it. */
  #claiming(listener: BusListener): BusListener {
    return {
      ...listener,
      onMessage: (message) => {
        const copy = { ...message, data: Uint8Array.from(message.data) };
        const claim = `${this.prefix}.claim.${message.reply}`;
        void this.#publisher.set(claim, '', 'PX', CLAIM_MS, 'NX').then(
          (claimed) => claimed !== null && listener.onMessage(copy),
          () => undefined, // without a connection no answer would leave
        );
      },
    };
  }

  #onUndelivered(reply: string): void {
    for (const listener of this.#channels.get(this.#channelOf(reply)) ?? []) listener.onUndelivered?.(reply);
  }

  #onDenied(subject: string, cause: Error): void {
    const error = refused(`publish to ${subject}`, cause);
    for (const listener of this.#deniedListeners) listener(subject, error);
  }

  #look(): void {
    const isReady = this.#publisher.status === 'ready' && this.#subscriber.status === 'ready';
    if (this.state !== 'closed') this.#enter(isReady ? 'connected' : 'disconnected');
  }

  #enter(state: ConnectionState): void {
    if (state === this.state) return;
    this.state = state;
    this.isConnected = state === 'connected';
    for (const listener of [...this.#stateListeners]) listener({ state, server: this.#server });
  }
}

function refused(what: string, cause: unknown): ClstrError {
  return new ClstrError('NO_PERMISSION', `Redis refuses to ${what}: ${String(cause)}`, { cause });
}
