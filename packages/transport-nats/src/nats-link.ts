/**
 * The client side: one inbox, the attempts that wait for a reply, and the entries that wait for the connection.
 *
 * While disconnected nothing is given to the NATS client, which would send it later without asking: unsent entries
 * wait here until the connection is back or their deadline passes.
 */
import type { Address, ClientLink, NodeAddress, OutboundEntry, ReplySink } from '@clstr/core/wire';
import { ClstrError } from '@clstr/core';
import { PendingTable } from '@clstr/core/wire';
import { heldBytes, randomId, systemRandom } from '@clstr/core/internal';
import type { Msg } from 'nats';
import { Outgoing } from './client-wire.ts';
import type { ClientWire, SentBatch, WireHost } from './client-wire.ts';
import type { Connection } from './connection.ts';
import { JsonClientWire } from './json-client-wire.ts';
import type { ConnectionSubscription } from './kept-subscription.ts';
import type { ResolvedNatsOptions } from './nats-options.ts';
import { NativeClientWire } from './native-client-wire.ts';
import type { NatsTransportStats } from './stats.ts';
import { NodeAddressReader, announcementsOf, describeSubject } from './subjects.ts';

export class NatsLink implements ClientLink, WireHost {
  readonly connection: Connection;
  readonly options: ResolvedNatsOptions;
  readonly stats: NatsTransportStats;
  readonly clientId: number;
  readonly inbox: string;
  readonly pending: PendingTable<Outgoing> = new PendingTable<Outgoing>();
  readonly #wire: ClientWire;
  #subscription: ConnectionSubscription;
  #announcements: ConnectionSubscription | undefined;
  readonly #onClose: () => void;
  readonly #batches = new Map<string, SentBatch>();
  readonly #waiting = new Set<Outgoing>();
  readonly #stopListening: (() => void)[];
  /** Entries of this turn of the event loop: they leave together, in a microtask. */
  #turn: Outgoing[] = [];
  #waitingBytes = 0;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #denied: ClstrError | undefined;

  constructor(
    connection: Connection,
    options: ResolvedNatsOptions,
    stats: NatsTransportStats,
    clientId: number,
    onClose: () => void,
  ) {
    this.connection = connection;
    this.options = options;
    this.stats = stats;
    this.clientId = clientId;
    this.#onClose = onClose;
    this.inbox = `${options.inboxPrefixes[0]!}.${randomId(systemRandom, 22)}`;
    this.#wire = options.wire === 'native' ? new NativeClientWire(this) : new JsonClientWire(this);
    this.#subscription = this.#subscribe();
    this.#stopListening = [
      connection.onState(({ state }) => {
        if (state === 'disconnected') this.#onDisconnect();
        else if (state === 'connected') this.#onReconnect();
        else this.fail();
      }),
      connection.onDeniedPublish((subject, error) => {
        for (const batch of [...this.#batches.values()]) {
          if (batch.subject === subject) this.batchFailed(batch.token, error);
        }
      }),
    ];
  }

  get onDuplicateReply(): ClientLink['onDuplicateReply'] {
    return this.pending.onDuplicateReply;
  }

  set onDuplicateReply(listener: ClientLink['onDuplicateReply']) {
    this.pending.onDuplicateReply = listener;
  }

  send(to: Address, entry: OutboundEntry, sink: ReplySink): void {
    const outgoing = new Outgoing(to, entry, sink);
    this.pending.add(outgoing.attempt, outgoing);
    if (this.connection.isConnected && !this.#isClosed && this.#denied === undefined) this.#enqueue(outgoing);
    else this.#hold(outgoing);
  }

  cancel(attempt: number): void {
    const outgoing = this.#forget(attempt);
    if (outgoing?.batch === undefined) return;
    if (!outgoing.entry.isNotify && this.connection.isConnected) this.#wire.cancel(outgoing);
  }

  release(attempt: number): void {
    this.#forget(attempt);
  }

  /** A client without the permission works on: it asks when a call was refused or timed out. */
  onAnnouncement(listener: (from: NodeAddress | undefined) => void): void {
    if (this.#isClosed) return;
    const { subjectPrefix, logger } = this.options;
    const { floodLog } = this.connection;
    const subject = announcementsOf(subjectPrefix);
    const reader = new NodeAddressReader(subjectPrefix);
    const onMessage = (message: Msg): void => {
      try {
        listener(reader.read(message.reply));
      } catch (err) {
        // Whatever escapes from here would end the NATS client's read loop, and with it the connection.
        floodLog.error('hearing of new owners failed', { err });
      }
    };
    const onEnded = (err: ClstrError): void => {
      logger.warn({ err }, 'new owners are not heard of: they are found more slowly');
    };
    try {
      this.#announcements = this.connection.subscribe(subject, { onMessage, onEnded });
    } catch (err) {
      logger.warn({ err }, 'new owners are not heard of: they are found more slowly');
    }
  }

  explainSilence(): string | undefined {
    return this.#wire.explainSilence?.();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The transport closes: what waits for a reply fails. */
  fail(): void {
    const waiting = this.pending.clear();
    void this.close();
    for (const { sink, batch } of waiting) {
      const outcome = batch === undefined ? 'not-executed' : 'unknown';
      sink.onError(new ClstrError('TRANSPORT_CLOSED', 'the NATS transport was closed', { outcome }));
    }
  }

  /** Sends the entries of this turn, or keeps them when the connection broke in the meantime. */
  flush(): void {
    const turn = this.#turn;
    this.#turn = [];
    if (this.connection.isConnected) this.#wire.send(turn);
    else for (const outgoing of turn) if (!outgoing.isEnded) this.#hold(outgoing);
  }

  sent(batch: SentBatch): void {
    this.#batches.set(batch.token, batch);
    for (const outgoing of batch.entries) {
      outgoing.batch = batch;
      outgoing.sink.onSent();
    }
  }

  failed(outgoing: Outgoing, error: ClstrError): void {
    if (this.#forget(outgoing.attempt) !== undefined) outgoing.sink.onError(error);
  }

  ended({ batch }: Outgoing): void {
    if (batch === undefined || --batch.open > 0) return;
    this.#batches.delete(batch.token);
    // Dead tables of a Map keep what they held until a full collection: let that be little.
    batch.entries = NO_ENTRIES;
  }

  batchFailed(token: string, error: ClstrError): void {
    const batch = this.#batches.get(token);
    if (batch === undefined) return;
    for (const outgoing of batch.entries) if (!outgoing.isEnded) this.failed(outgoing, error);
  }

  #enqueue(outgoing: Outgoing): void {
    if (this.#turn.length === 0) {
      queueMicrotask(() => {
        this.flush();
      });
    }
    this.#turn.push(outgoing);
  }

  /** Not on the hot path: the connection is down, or this entry fails at once. */
  #hold(outgoing: Outgoing): void {
    const { maxWaiting, maxWaitingBytes } = this.options;
    const bytes = heldBytes(outgoing.entry);
    const isFull = this.#waiting.size >= maxWaiting || this.#waitingBytes + bytes > maxWaitingBytes;
    if (!this.#isClosed && !this.connection.isClosed && this.#denied === undefined && !isFull) {
      this.#waiting.add(outgoing);
      this.#waitingBytes += bytes;
      return;
    }
    const error = this.#refusal();
    queueMicrotask(() => {
      this.failed(outgoing, error);
    });
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    for (const stop of this.#stopListening) stop();
    this.pending.clear();
    this.#batches.clear();
    this.#waiting.clear();
    this.#onClose();
    if (this.connection.isClosed) return;
    this.#subscription.unsubscribe();
    this.#announcements?.unsubscribe();
    if (this.connection.isConnected) await this.connection.confirmWithin();
  }

  #refusal(): ClstrError {
    if (this.#isClosed || this.connection.isClosed) {
      return new ClstrError('TRANSPORT_CLOSED', 'the NATS transport is closed');
    }
    if (this.#denied !== undefined) return this.#denied;
    const message = `${this.#waiting.size} messages wait for the NATS connection to come back (maxWaiting)`;
    return new ClstrError('OVERLOADED', message);
  }

  #forget(attempt: number): Outgoing | undefined {
    const outgoing = this.pending.remove(attempt);
    if (outgoing === undefined) return undefined;
    this.ended(outgoing);
    if (this.#waiting.delete(outgoing)) this.#waitingBytes -= heldBytes(outgoing.entry);
    return outgoing;
  }

  #subscribe(): ConnectionSubscription {
    return this.connection.subscribe(`${this.inbox}.*`, {
      onMessage: (message) => {
        this.#onMessage(message);
      },
      onEnded: (error) => {
        this.#onDenied(error);
      },
    });
  }

  #onMessage(message: Msg): void {
    try {
      if (message.data.length === 0 && message.headers?.code === 503) this.#onNobody(message.subject);
      else this.#wire.read(message);
    } catch (err) {
      // Whatever escapes from here would end the NATS client's read loop, and with it the connection.
      this.connection.floodLog.error('reading a reply failed', { err });
    }
  }

  #onNobody(subject: string): void {
    const token = subject.slice(this.inbox.length + 1);
    const batch = this.#batches.get(token);
    if (batch === undefined) return;
    this.batchFailed(
      token,
      new ClstrError('NO_SUBSCRIBER', `nobody listens on ${describeSubject(batch.subject)}`),
    );
  }

  #onDenied(error: ClstrError): void {
    this.#denied = error;
    this.options.logger.error({ err: error }, 'the NATS server keeps replies from this client');
    this.#batches.clear();
    this.#waiting.clear();
    this.#waitingBytes = 0;
    for (const { sink, batch } of this.pending.clear()) {
      const outcome = batch === undefined ? 'not-executed' : 'unknown';
      sink.onError(new ClstrError(error.code, error.message, { outcome, cause: error.cause }));
    }
  }

  /** What has left may have run or not; a notify that has left was handed over, which is all it promises. */
  #onDisconnect(): void {
    const lost = [...this.#batches.values()].flatMap((batch) => batch.entries.filter((one) => !one.isEnded));
    this.#batches.clear();
    for (const { attempt, entry, sink } of lost) {
      this.#forget(attempt);
      if (!entry.isNotify)
        sink.onError(new ClstrError('CONNECTION_LOST', 'the NATS connection broke before the reply'));
    }
  }

  #onReconnect(): void {
    if (this.#denied !== undefined) {
      this.#denied = undefined;
      this.#subscription = this.#subscribe();
    }
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    this.#waitingBytes = 0;
    for (const outgoing of waiting) this.#enqueue(outgoing);
  }
}

const NO_ENTRIES: readonly Outgoing[] = [];
