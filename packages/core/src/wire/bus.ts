/** The contract of a bus: bytes to a subject, and who listens there. `framedTransport` makes a transport of it. */
import { ClstrError } from '../base/errors.ts';
import type { Outcome } from '../base/errors.ts';
import type { ConnectionEvent, ConnectionState } from './transport.ts';

/** One message as it arrived; `data` is valid during the call only. */
export interface BusMessage {
  readonly data: Uint8Array;
  readonly subject: string;
  /** Where an answer goes, as the sender said; empty or undefined when it wants none. */
  readonly reply?: string | undefined;
}

export interface BusListener {
  /** Never throws. */
  onMessage(message: BusMessage): void;
  /** Nobody listened where a message with this reply subject went. */
  onUndelivered?(reply: string): void;
  /** The bus refused the subscription, or took it away; nothing arrives any more. */
  onEnded(error: ClstrError): void;
}

export interface BusSubscription {
  /**
   * Resolves when what is published from now on arrives; of a refusal its listener learns before.
   *
   * @throws TRANSPORT_CLOSED
   */
  ready(): Promise<void>;
  /** Leaves at once. Resolves when the bus has confirmed it, or does not answer. Never rejects. */
  unsubscribe(): Promise<void>;
  /** Leaves, and resolves when what was on its way has been handed on, or the bus does not answer. Never rejects. */
  drain(): Promise<void>;
}

/** The place of one client or one run of a node on a bus. */
export interface BusPort {
  /**
   * Hands bytes over, which hold `count` entries. Returns false when it is known at once that nobody listens:
   * `onUndelivered` is for a bus that learns it later.
   *
   * @throws any ClstrError, when the message did not leave.
   */
  publish(subject: string, bytes: Uint8Array, reply: string | undefined, count: number): boolean;
  /**
   * A subscription outlives the connections of its bus. Of a subject that is `isShared`, one subscriber gets each message.
   *
   * @throws TRANSPORT_CLOSED
   */
  subscribe(subject: string, listener: BusListener, isShared?: boolean): BusSubscription;
}

/** What the engine asks of a bus. Messages from one port to one subject arrive in the order published, or are lost. */
export interface Bus {
  /** What it is called in errors and log lines: `NATS`. */
  readonly label: string;
  /** What follows its `maxPayload` in errors: `that the NATS server carries`. */
  readonly limitedBy: string;
  /** First part of all subjects but those of inboxes. */
  readonly prefix: string;
  /** What the inboxes of clients begin with. */
  readonly inboxPrefixes: readonly string[];
  /** Largest message, in bytes. */
  readonly maxPayload: number;
  /** Where a batch is closed although more entries wait: the bytes and the entries from which more do not pay. */
  readonly batchBytes: number;
  readonly batchEntries: number;
  readonly state: ConnectionState;
  /** Whether `state` is `connected`: asked for each entry. */
  readonly isConnected: boolean;
  /** `self` is its inbox or its direct subject: all of its messages are sent from there. */
  open(self: string): BusPort;
  /** A subject of its own for a client, one token longer than a prefix. */
  inboxOf(clientId: number): string;
  /** Calls `work` when the turn of the caller has ended. Absent where a microtask will do. */
  defer?(work: () => void): void;
  onState(listener: (event: ConnectionEvent) => void): () => void;
  /** Calls `listener` when a publish turns out to be forbidden after it has left. */
  onDenied?(listener: (subject: string, error: ClstrError) => void): () => void;
  /** Resolves when what was published before has arrived. Absent where that depends on anyone else. Never rejects. */
  flush?(): Promise<void>;
  /** Leaves the bus, whose end began at `startedMs` of the clock. Idempotent, never rejects. */
  close(startedMs: number): Promise<void>;
}

/** For a message or a reply that is larger than its bus carries. */
export function payloadTooLarge(bus: Bus, what: string, bytes: number, outcome: Outcome): ClstrError {
  const { maxPayload, limitedBy } = bus;
  const message = `the ${what} takes ${bytes} bytes, more than the ${maxPayload} ${limitedBy}`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message, { outcome, details: { bytes, maxPayload } });
}
