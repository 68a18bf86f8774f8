/** The contract between the framework and a bus: how entries leave a client, reach a node, and come back. */
import type { Headers } from './envelope.ts';
import type { ClstrError, Failure } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import type { WatchedTransport } from '../base/watched.ts';
import type { NodeAddress } from './address.ts';

export type { NodeAddress } from './address.ts';

/** The node that serves a shard. */
export interface ShardAddress {
  readonly shard: number;
}

/** Any one of the nodes: for questions about the cluster. */
export interface TopologyAddress {
  readonly topology: true;
}

/** In place of a shard, in a message to a node itself: no cluster has so many shards. */
export const NO_SHARD = 0xffff_ffff;

export type Address = ShardAddress | NodeAddress | TopologyAddress;

export const TOPOLOGY_ADDRESS: TopologyAddress = { topology: true };

export function isNodeAddress(address: Address): address is NodeAddress {
  return 'nodeId' in address;
}

export function isTopologyAddress(address: Address): address is TopologyAddress {
  return 'topology' in address;
}

/** One message on its way out. The transport reads it when the message leaves, not when it is given. */
export interface OutboundEntry {
  readonly isNotify: boolean;
  /** Unique within the link; with the link's client id it is the attempt id. */
  readonly attempt: number;
  readonly shard: number;
  readonly type: string;
  readonly key: string | undefined;
  readonly headers: Headers | undefined;
  /** Text is sent as UTF-8. */
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  /** The rest of the time budget, in whole milliseconds, 0 when it is used up. */
  remainingMs(): number;
}

/** A reply as it arrived; `payload` is only valid during the call, and is text or bytes as the transport has it. */
export interface InboundReply {
  /** Set for a refusal or a failure; `payload` is empty then. */
  readonly error: ClstrError | undefined;
  readonly payload: string | Uint8Array;
  readonly isRaw: boolean;
  /** The run of the node that answered, when the wire names it. */
  readonly from: NodeAddress | undefined;
}

/** Receives the fate of an entry: `onSent` in the order sent, then one reply or one error. */
export interface ReplySink {
  /** The entry has left this process. Not called for an entry that failed before. */
  onSent(): void;
  onReply(reply: InboundReply): void;
  /** The entry failed in the transport; nothing follows. */
  onError(error: ClstrError): void;
}

/** The client side of a transport: one inbox, one set of attempts that wait for replies. */
export interface ClientLink {
  /** Never throws and never calls the sink before it has returned. */
  send(to: Address, entry: OutboundEntry, sink: ReplySink): void;
  /** Forgets the attempt, and tells its node to stop if it had left. The sink is not called again. */
  cancel(attempt: number): void;
  /** Forgets a notify that can no longer be refused; sends nothing. */
  release(attempt: number): void;
  /** Called with a second reply for one attempt: two nodes serve the shard. */
  onDuplicateReply: ((shard: number, from: NodeAddress | undefined) => void) | undefined;
  /**
   * From now on calls `listener` whenever a node announces itself, with the run it claims to be. Anybody can send that:
   * it is only a reason to ask. If the bus forbids the subscription, `listener` is not called. Call once; never throws.
   */
  onAnnouncement(listener: (from: NodeAddress | undefined) => void): void;
  /** What may be wrong when calls time out, as long as no node has ever answered on this link. */
  explainSilence?(): string | undefined;
  /** How many messages with replies this link has read: replies at the same count have arrived together. */
  readonly messagesRead?: number | undefined;
  /** Forgets all attempts and leaves the bus. Idempotent. */
  close(): Promise<void>;
}

/**
 * The bytes that a message keeps while it waits. A text counts its characters, as its length in UTF-8 would take a walk.
 */
export function heldBytes({
  payload,
  key,
  headers,
}: Pick<OutboundEntry, 'payload' | 'key' | 'headers'>): number {
  let bytes = payload.length;
  if (key !== undefined) bytes += key.length;
  if (headers !== undefined) for (const name in headers) bytes += name.length + headers[name]!.length;
  return bytes;
}

/** One message as it reached a node; `payload`, text or bytes as the transport has it, is only valid during the call. */
export interface InboundEntry {
  readonly isNotify: boolean;
  /** 0 when the wire carries no attempt id; such an entry can neither be cancelled nor recognised when repeated. */
  readonly clientId: number;
  readonly attempt: number;
  readonly shard: number;
  readonly type: string;
  readonly key: string | undefined;
  readonly headers: Headers | undefined;
  /** The node empties it once it is decoded, if the entry stays, because it may keep the whole message alive. */
  payload: string | Uint8Array;
  readonly isRaw: boolean;
  /** The time budget counted from `receivedAtMs`; undefined when the sender gave none. */
  readonly ttlMs: number | undefined;
  /** Monotonic time of the injected clock when the bytes arrived. */
  readonly receivedAtMs: number;
}

/** The way back to the sender of an entry. Never throws; a reply that cannot be sent is counted and dropped. */
export interface ReplyPort {
  /** Names the receiver of the replies; equal for all entries of one client, and different between clients. */
  readonly inbox?: string | undefined;
  reply(entry: InboundEntry, payload: string | Uint8Array, isRaw: boolean): void;
  fail(entry: InboundEntry, error: Failure): void;
}

/** For a message without a reply subject: its sender wants no reply, and gets none even to a question. */
export const NOWHERE: ReplyPort = { inbox: '', reply() {}, fail() {} };

/** What a node gives to a transport to receive messages. Neither method throws. */
export interface EntryReceiver {
  onEntry(entry: InboundEntry, port: ReplyPort): void;
  /** The caller of an attempt gave up. */
  onCancel(clientId: number, attempt: number): void;
}

export interface Subscription {
  /**
   * Resolves with the reason when the bus ends the subscription by itself: a permission was revoked, or a limit of
   * subscriptions was reached. Nothing arrives any more, and the transport does not try again: serve the address again, or
   * give it up. It does not settle otherwise, not even after `close()` of the subscription or the transport.
   */
  readonly ended: Promise<ClstrError>;
  /** Resolves after the bus confirmed that nothing more will arrive. Idempotent. */
  close(): Promise<void>;
}

export type ConnectionState = 'connected' | 'disconnected' | 'closed';

export interface ConnectionEvent {
  readonly state: ConnectionState;
  /** The address of the server, without credentials. */
  readonly server: string | undefined;
}

export interface LinkOptions {
  /** Random, safe, non-zero integer: the first half of every attempt id. */
  readonly clientId: number;
  /** A node opens such a link to probe itself: a message to a node's address must reach that very node on any wire. */
  readonly isProbe?: boolean | undefined;
}

/** Which cluster a transport or a membership leads to. */
export interface ClusterLocation {
  /** Undefined when only the prefix was given. */
  readonly name: string | undefined;
  /** First part of its addresses on the bus. */
  readonly prefix: string;
  /** Undefined for the default service. */
  readonly service?: string | undefined;
}

/** A bus as clients and nodes see it. They only borrow it: the code that creates a transport closes it. */
export interface Transport {
  readonly name: string;
  /** Which cluster it leads to; undefined if the bus holds only one. */
  readonly cluster?: ClusterLocation | undefined;
  readonly state: ConnectionState;
  /** For metrics; one object for all services on the connection. Absent if the transport counts nothing. */
  readonly readings?: WatchedTransport | undefined;
  /** @throws TRANSPORT_CLOSED */
  openLink(options: LinkOptions): ClientLink;
  /**
   * Resolves when entries sent to `address` from now on reach `receiver`. `self` is the direct address of the node:
   * its replies name it, so that clients can send their next calls directly.
   *
   * @throws TRANSPORT_CLOSED, NO_PERMISSION, SUBSCRIPTION_LIMIT
   */
  serve(address: Address, receiver: EntryReceiver, self: NodeAddress): Promise<Subscription>;
  /** Tells every link that listens that `self` serves shards it did not before. May be lost; never throws. */
  announce(self: NodeAddress): void;
  /**
   * Resolves when the replies that wait for the connection have left, or after `limitMs`. Absent if none ever wait.
   * Never rejects.
   */
  settle?(limitMs: number): Promise<void>;
  /**
   * The same connection for another service of the cluster: a namespace with shards and nodes of its own. It is closed
   * with this transport, and may be closed before it.
   *
   * @throws INVALID_OPTION for a name that is not 1 to 32 of `A-Z a-z 0-9 -`; TRANSPORT_CLOSED
   */
  service(name: string): Transport;
  /** Calls `listener` at each change of the connection; the returned function ends that. */
  onConnection(listener: (event: ConnectionEvent) => void): () => void;
  /**
   * Sets the logger of a transport that was created without one; otherwise it does nothing. `createApp` calls it with the
   * logger of the app.
   */
  useLogger?(logger: Logger): void;
  /** Sends what was handed over, then leaves the bus; calls that still wait for a reply fail. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
