/** The contract of a bus, which moves bytes to the subscribers of a subject. `framedTransport` makes it a transport. */
import { ClstrError } from '../base/errors.ts';
import type { Outcome } from '../base/errors.ts';
import type { ConnectionEvent, ConnectionState } from './transport.ts';

/** One message as it arrived; `data` is valid during the call only. */
export interface BusMessage {
  readonly data: Uint8Array;
  readonly subject: string;
  /** The subject that the sender wants an answer on; empty or undefined if it wants none. */
  readonly reply?: string | undefined;
}

export interface BusListener {
  /** Never throws. */
  onMessage(message: BusMessage): void;
  /** The message with this reply subject had no subscriber. */
  onUndelivered?(reply: string): void;
  /** The bus refused or ended the subscription; nothing arrives any more. */
  onEnded(error: ClstrError): void;
}

export interface BusSubscription {
  /**
   * Resolves when messages published from now on arrive. If the bus refuses, it calls `onEnded` before.
   *
   * @throws TRANSPORT_CLOSED
   */
  ready(): Promise<void>;
  /** Unsubscribes at once. Resolves when the bus has confirmed it, or does not answer. Never rejects. */
  unsubscribe(): Promise<void>;
  /** Unsubscribes, then hands on what was on its way. Resolves then, or if the bus does not answer. Never rejects. */
  drain(): Promise<void>;
}

/** The place of one client or one run of a node on a bus. */
export interface BusPort {
  /**
   * Publishes bytes that hold `count` entries. Returns false if the bus knows at once that the subject has no subscriber;
   * a bus that learns it later calls `onUndelivered`.
   *
   * @throws any ClstrError, when the message did not leave.
   */
  publish(subject: string, bytes: Uint8Array, reply: string | undefined, count: number): boolean;
  /**
   * A subscription outlives the connections of its bus. If it `isShared`, one subscriber gets each message.
   *
   * @throws TRANSPORT_CLOSED
   */
  subscribe(subject: string, listener: BusListener, isShared?: boolean): BusSubscription;
}

/** What the engine needs from a bus. Messages from one port to one subject arrive in the order published, or are lost. */
export interface Bus {
  /** Its name in errors and log lines, such as `NATS`. */
  readonly label: string;
  /** The words after its `maxPayload` in errors, such as `that the NATS server carries`. */
  readonly limitedBy: string;
  /** First part of all subjects but those of inboxes. */
  readonly prefix: string;
  /** The prefixes of clients' inboxes. */
  readonly inboxPrefixes: readonly string[];
  /** Largest message, in bytes. */
  readonly maxPayload: number;
  /** The size at which a batch is closed although more entries wait: beyond it, larger batches gain nothing. */
  readonly batchBytes: number;
  readonly batchEntries: number;
  readonly state: ConnectionState;
  /** Whether `state` is `connected`. The engine reads it for each entry. */
  readonly isConnected: boolean;
  /** `self` is the inbox or direct subject that all messages of the port are sent from. */
  open(self: string): BusPort;
  /** A subject of its own for a client, one token longer than a prefix. */
  inboxOf(clientId: number): string;
  /** Calls `work` when the turn of the caller has ended. Absent if a microtask will do. */
  defer?(work: () => void): void;
  onState(listener: (event: ConnectionEvent) => void): () => void;
  /** Calls `listener` when a publish turns out to be forbidden after it has left. */
  onDenied?(listener: (subject: string, error: ClstrError) => void): () => void;
  /** Resolves when what was published before has arrived. Absent if the bus cannot know that. Never rejects. */
  flush?(): Promise<void>;
  /** Leaves the bus; closing began at `startedMs` of the clock. Idempotent, never rejects. */
  close(startedMs: number): Promise<void>;
}

/** The error for a message or a reply that is larger than its bus carries. */
export function payloadTooLarge(bus: Bus, what: string, bytes: number, outcome: Outcome): ClstrError {
  const { maxPayload, limitedBy } = bus;
  const message = `the ${what} takes ${bytes} bytes, more than the ${maxPayload} ${limitedBy}`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message, { outcome, details: { bytes, maxPayload } });
}
