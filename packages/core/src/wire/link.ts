/**
 * The client side: one inbox, the attempts that wait for a reply, and the entries that wait for the connection.
 *
 * While the bus is disconnected it gets nothing, because it might send it later without asking: unsent entries wait here
 * until the connection is back or their deadline passes.
 */
import { ClstrError } from '../base/errors.ts';
import type { BusMessage, BusPort, BusSubscription } from './bus.ts';
import type { Engine } from './engine.ts';
import { PendingAttempt, PendingTable } from './pending.ts';
import { SlotTable } from './slot-table.ts';
import { countBatch } from './stats.ts';
import { NodeAddressReader, announcementsOf, describeSubject } from './subjects.ts';
import { heldBytes } from './transport.ts';
import type { Address, ClientLink, NodeAddress, OutboundEntry, ReplySink } from './transport.ts';

export class Outgoing extends PendingAttempt {
  /** The message it left in; undefined before. */
  batch: SentBatch | undefined = undefined;
}

/** One message that left: if it is undelivered or the connection is lost, its entries are affected. */
export interface SentBatch {
  /** The last token of its reply subject, in base 36. */
  readonly id: number;
  readonly subject: string;
  /** All entries it carried, some of which may have ended since. */
  readonly entries: readonly Outgoing[];
  /** Entries that have not ended. */
  open: number;
}

/** How entries become messages, and messages become replies. */
export interface ClientWire {
  /** Publishes the entries of one turn by `publish` of its link, and tells the link of each failure by `failed`. */
  send(turn: readonly Outgoing[]): void;
  /** Reads a message of the inbox. */
  read(message: BusMessage): void;
  cancel(outgoing: Outgoing): void;
  /** See {@link ClientLink.explainSilence}. */
  explainSilence?(): string | undefined;
}

/** What a wire needs from its link. */
export interface WireHost {
  readonly engine: Engine;
  readonly port: BusPort;
  readonly clientId: number;
  readonly inbox: string;
  readonly pending: PendingTable<Outgoing>;
  /** Publishes one message that holds `entries`, and fails them if it does not leave. */
  publish(subject: string, bytes: Uint8Array, token: number, entries: readonly Outgoing[]): void;
  failed(outgoing: Outgoing, error: ClstrError): void;
  /** An entry of a batch ended. */
  ended(outgoing: Outgoing): void;
  batchFailed(token: number, error: ClstrError): void;
  /** The token of the batch that a message to the inbox is about. */
  tokenOf(subject: string): number;
}

export class Link implements ClientLink, WireHost {
  readonly engine: Engine;
  readonly port: BusPort;
  readonly clientId: number;
  readonly inbox: string;
  readonly pending: PendingTable<Outgoing> = new PendingTable<Outgoing>();
  readonly #wire: ClientWire;
  #subscription: BusSubscription;
  #announcements: BusSubscription | undefined;
  readonly #onClose: () => void;
  readonly #batches = new SlotTable<SentBatch>(SLOTS);
  readonly #waiting = new Set<Outgoing>();
  readonly #stopListening: (() => void)[];
  /** Entries of this turn of the event loop: they leave together, in a microtask. */
  #turn: Outgoing[] = [];
  messagesRead = 0;
  #waitingBytes = 0;
  #isClosed = false;
  #closing: Promise<void> | undefined;
  #denied: ClstrError | undefined;

  constructor(
    engine: Engine,
    clientId: number,
    createWire: (host: WireHost) => ClientWire,
    onClose: () => void,
  ) {
    const { bus } = engine;
    this.engine = engine;
    this.clientId = clientId;
    this.#onClose = onClose;
    this.inbox = bus.inboxOf(clientId);
    this.port = bus.open(this.inbox);
    this.#wire = createWire(this);
    this.#subscription = this.#subscribe();
    this.#stopListening = [
      bus.onState(({ state }) => {
        if (state === 'disconnected') this.#onDisconnect();
        else if (state === 'connected') this.#onReconnect();
        else this.fail();
      }),
    ];
    const stopDenied = bus.onDenied?.((subject, error) => {
      for (const batch of this.#batches.values()) {
        if (batch.subject === subject) this.batchFailed(batch.id, error);
      }
    });
    if (stopDenied !== undefined) this.#stopListening.push(stopDenied);
  }

  get onDuplicateReply(): ClientLink['onDuplicateReply'] {
    return this.pending.onDuplicateReply;
  }

  set onDuplicateReply(listener: ClientLink['onDuplicateReply']) {
    this.pending.onDuplicateReply = listener;
  }

  send(to: Address, entry: OutboundEntry, sink: ReplySink): void {
    const outgoing = new Outgoing(to, entry, sink);
    this.pending.add(outgoing);
    if (this.engine.bus.isConnected && !this.#isClosed && this.#denied === undefined) this.#enqueue(outgoing);
    else this.#hold(outgoing);
  }

  cancel(attempt: number): void {
    const outgoing = this.#forget(attempt);
    if (outgoing?.batch === undefined) return;
    if (!outgoing.entry.isNotify && this.engine.bus.isConnected) this.#wire.cancel(outgoing);
  }

  release(attempt: number): void {
    this.#forget(attempt);
  }

  /** A client without the permission still works: it asks for owners when a call is refused or times out. */
  onAnnouncement(listener: (from: NodeAddress | undefined) => void): void {
    if (this.#isClosed) return;
    const { prefix, logger, floodLog } = this.engine;
    const reader = new NodeAddressReader(prefix);
    const onEnded = (err: unknown): void => {
      logger.warn(
        { event: 'client.announcements_denied', err },
        'this client cannot receive announcements: it finds new owners more slowly',
      );
    };
    const onMessage = ({ reply }: BusMessage): void => {
      try {
        listener(reader.read(reply));
      } catch (err) {
        floodLog.error('client.announcement_failed', { err }, 'handling an announcement failed');
      }
    };
    try {
      this.#announcements = this.port.subscribe(announcementsOf(prefix), { onMessage, onEnded });
    } catch (err) {
      onEnded(err);
    }
  }

  explainSilence(): string | undefined {
    return this.#wire.explainSilence?.();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The transport closes: all that waits for a reply fails. */
  fail(): void {
    const waiting = this.pending.clear();
    void this.close();
    for (const { sink, batch } of waiting) {
      const outcome = batch === undefined ? 'not-executed' : 'unknown';
      sink.onError(
        new ClstrError('TRANSPORT_CLOSED', `the ${this.#label} transport was closed`, { outcome }),
      );
    }
  }

  /** Sends the entries that were handed over. */
  flush(): void {
    while (this.#turn.length > 0) this.#endTurn();
  }

  publish(subject: string, bytes: Uint8Array, token: number, entries: readonly Outgoing[]): void {
    let isHeard;
    try {
      isHeard = this.port.publish(subject, bytes, `${this.inbox}.${token.toString(36)}`, entries.length);
    } catch (error) {
      for (const outgoing of entries) this.failed(outgoing, error as ClstrError);
      return;
    }
    countBatch(this.engine.stats, entries.length);
    const batch: SentBatch = { id: token, subject, entries, open: entries.length };
    this.#batches.add(batch);
    for (const outgoing of entries) outgoing.batch = batch;
    // All entries have left by now, but one sink may end those after it.
    for (const { isEnded, sink } of entries) if (!isEnded) sink.onSent();
    if (!isHeard) this.#onUndelivered(token);
  }

  failed(outgoing: Outgoing, error: ClstrError): void {
    if (this.#forget(outgoing.id) !== undefined) outgoing.sink.onError(error);
  }

  ended({ batch }: Outgoing): void {
    if (batch === undefined || --batch.open > 0) return;
    this.#batches.remove(batch.id);
  }

  tokenOf(subject: string): number {
    return parseInt(subject.slice(this.inbox.length + 1), 36);
  }

  batchFailed(token: number, error: ClstrError): void {
    const batch = this.#batches.get(token);
    if (batch === undefined) return;
    for (const outgoing of batch.entries) if (!outgoing.isEnded) this.failed(outgoing, error);
  }

  /** Sends the entries of this turn, or keeps them when the connection broke in the meantime. */
  readonly #endTurn = (): void => {
    const { bus, defer } = this.engine;
    let turn = this.#turn;
    if (turn.length <= bus.batchEntries) this.#turn = [];
    else {
      // One batch at a time, so that the receivers of a bus within the process get their turn.
      turn = turn.splice(0, bus.batchEntries);
      defer(this.#endTurn);
    }
    if (bus.isConnected) this.#wire.send(turn);
    else for (const outgoing of turn) if (!outgoing.isEnded) this.#hold(outgoing);
  };

  get #label(): string {
    return this.engine.bus.label;
  }

  #enqueue(outgoing: Outgoing): void {
    if (this.#turn.length === 0) this.engine.defer(this.#endTurn);
    this.#turn.push(outgoing);
  }

  /** Off the hot path: the connection is down, or this entry fails at once. */
  #hold(outgoing: Outgoing): void {
    const { bus, maxWaiting, maxWaitingBytes } = this.engine;
    const bytes = heldBytes(outgoing.entry);
    const isFull = this.#waiting.size >= maxWaiting || this.#waitingBytes + bytes > maxWaitingBytes;
    if (!this.#isClosed && bus.state !== 'closed' && this.#denied === undefined && !isFull) {
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
    if (this.engine.bus.state === 'closed') return;
    await Promise.all([this.#subscription.unsubscribe(), this.#announcements?.unsubscribe()]);
  }

  #refusal(): ClstrError {
    if (this.#isClosed || this.engine.bus.state === 'closed') {
      return new ClstrError('TRANSPORT_CLOSED', `the ${this.#label} transport is closed`);
    }
    if (this.#denied !== undefined) return this.#denied;
    const message = `${this.#waiting.size} messages wait for the ${this.#label} connection to come back (maxWaiting)`;
    return new ClstrError('OVERLOADED', message);
  }

  #forget(attempt: number): Outgoing | undefined {
    const outgoing = this.pending.remove(attempt);
    if (outgoing === undefined) return undefined;
    this.ended(outgoing);
    if (this.#waiting.delete(outgoing)) this.#waitingBytes -= heldBytes(outgoing.entry);
    return outgoing;
  }

  /** The listener must not throw: an error might end the read loop of the bus, and with it the connection. */
  #subscribe(): BusSubscription {
    const guarded =
      <T>(read: (value: T) => void) =>
      (value: T): void => {
        try {
          read(value);
        } catch (err) {
          this.engine.floodLog.error('client.reply_failed', { err }, 'reading a reply failed');
        }
      };
    return this.port.subscribe(`${this.inbox}.*`, {
      onMessage: guarded((message) => {
        this.messagesRead++;
        this.#wire.read(message);
      }),
      onUndelivered: guarded((reply) => this.#onUndelivered(this.tokenOf(reply))),
      onEnded: (error) => this.#onDenied(error),
    });
  }

  #onUndelivered(token: number): void {
    const batch = this.#batches.get(token);
    if (batch === undefined) return;
    this.batchFailed(
      token,
      new ClstrError('NO_SUBSCRIBER', `nobody listens on ${describeSubject(batch.subject)}`),
    );
  }

  #onDenied(error: ClstrError): void {
    this.#denied = error;
    this.engine.logger.error(
      { event: 'client.replies_denied', err: error },
      `the ${this.#label} server denies this client its replies`,
    );
    this.#batches.clear();
    this.#waiting.clear();
    this.#waitingBytes = 0;
    for (const { sink, batch } of this.pending.clear()) {
      const outcome = batch === undefined ? 'not-executed' : 'unknown';
      sink.onError(new ClstrError(error.code, error.message, { outcome, cause: error.cause }));
    }
  }

  /** A request that has left may have run or not. A notify that has left was handed over, which is all it promises. */
  #onDisconnect(): void {
    const lost = this.#batches.values().flatMap((batch) => batch.entries.filter((one) => !one.isEnded));
    this.#batches.clear();
    for (const { id, entry, sink } of lost) {
      this.#forget(id);
      if (entry.isNotify) continue;
      sink.onError(new ClstrError('CONNECTION_LOST', `the ${this.#label} connection broke before the reply`));
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

/** Nearly every link has fewer batches waiting. */
const SLOTS = 1_024;
