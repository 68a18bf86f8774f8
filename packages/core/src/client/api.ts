/** What a program calls with: requests and notifies by key or by shard. */
import type { CallOptions } from './options.ts';
import type { ScopedClient } from './scope.ts';

/** Every failure is a `ClstrError`; `outcome` says whether the handler ran. */
export interface Client {
  /**
   * Sends a request to the owner of `key` and resolves with the handler's reply.
   *
   * @throws KEY_REQUIRED, NO_SUBSCRIBER, TIMEOUT, CONNECTION_LOST, ABORTED, OVERLOADED, PAYLOAD_TOO_LARGE,
   * INVALID_ENVELOPE, RESERVED_HEADER, TRANSPORT_CLOSED, and what the node answers
   */
  requestKey<T = unknown>(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  /**
   * Sends a message without a reply; resolves when it was handed to the bus. A refusal that comes later is repeated
   * within the deadline, then reported to `onNotifyFailed`, as is every failure before.
   */
  notifyKey(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  requestShard<T = unknown>(
    shard: number,
    type: string,
    payload?: unknown,
    options?: CallOptions,
  ): Promise<T>;
  notifyShard(shard: number, type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  /**
   * Calls to one key; `options` hold for each of them, unless it says otherwise.
   *
   * @throws KEY_REQUIRED, and what is wrong with the options
   */
  key(key: string, options?: CallOptions): ScopedClient;
  /** As {@link Client.key}, for a shard. @throws INVALID_ENVELOPE when there is no such shard. */
  shard(shard: number, options?: CallOptions): ScopedClient;
  /** The shard of `key` in this cluster. @throws KEY_REQUIRED; NO_SUBSCRIBER until a node has said how many there are */
  shardOf(key: string): number;
  /**
   * The client of another service of the cluster, over the same connection and with the same options; its nodes say how
   * many shards it has. `default` is the service without a name. The same one for each call; closed with this client.
   *
   * @throws INVALID_OPTION, TRANSPORT_CLOSED
   */
  service(name: string): Client;
  /** Ends what is pending as `ABORTED` and refuses what comes later. Leaves the transport open. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
