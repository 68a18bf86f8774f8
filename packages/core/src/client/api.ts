/** The client of a program: requests and notifies by key or by shard. */
import type { OpenBreaker } from './breakers.ts';
import type { CallResult, KeyedCall, ListOptions } from './list-options.ts';
import type { CallOptions } from './options.ts';
import type { AnyNode, AnyOptions, GatherOptions, NodeResult } from './to-nodes.ts';
import type { ScopedClient } from './scope.ts';

/** Every failure is a `ClstrError`; `outcome` says whether the handler ran. */
export interface Client {
  /**
   * Sends a request to the owner of `key` and resolves with the handler's reply.
   *
   * @throws KEY_REQUIRED, NO_SUBSCRIBER, TIMEOUT, CONNECTION_LOST, ABORTED, OVERLOADED, PAYLOAD_TOO_LARGE,
   * INVALID_ENVELOPE, RESERVED_HEADER, TRANSPORT_CLOSED, and errors of the node
   */
  requestKey<T = unknown>(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  /**
   * Sends a message without a reply; resolves when the bus has it. The client repeats a notify that is refused later until
   * its deadline, then reports it to `onNotifyFailed`, as it does every earlier failure.
   */
  notifyKey(key: string, type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  /**
   * Makes many calls at once, faster than one by one: they share their time, their signal and one promise, and leave
   * together. Resolves with how each has ended, in the order of `calls`. A call fails by itself, whatever is wrong with it;
   * the calls of one key run in order.
   *
   * A call is read when it leaves: change no call before the promise resolves. At most 1,024 are in flight to a node.
   *
   * @throws INVALID_OPTION, RESERVED_HEADER and INVALID_ENVELOPE, for a wrong list or its wrong options alone
   */
  requestMany<T = unknown>(calls: readonly KeyedCall<T>[], options?: ListOptions): Promise<CallResult<T>[]>;
  requestShard<T = unknown>(
    shard: number,
    type: string,
    payload?: unknown,
    options?: CallOptions,
  ): Promise<T>;
  notifyShard(shard: number, type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  /**
   * Sends a message without a reply to every node that serves a shard; their `nodeHandlers` run it. Resolves when the bus
   * has it, with a row for each node by name: one that is missing is a row with an error.
   *
   * @throws NO_SUBSCRIBER if the client finds no node at all; INVALID_OPTION and the errors of a wrong message
   */
  broadcast(type: string, payload?: unknown, options?: CallOptions): Promise<NodeResult<void>[]>;
  /**
   * Asks every node that serves a shard; their `nodeHandlers` answer. Resolves with a row for each node by name, when all
   * have answered or failed, when `count` have answered, or at the deadline: a node that has not answered by then is a row
   * with an error.
   *
   * @throws as {@link Client.broadcast}
   */
  gather<T = unknown>(type: string, payload?: unknown, options?: GatherOptions): Promise<NodeResult<T>[]>;
  /**
   * Makes calls without a key, each to one node that serves a shard; its `nodeHandlers` answer. A node that is gone or is
   * shutting down refuses the call, which then goes to another one.
   *
   * @throws INVALID_OPTION
   */
  any(options?: AnyOptions): AnyNode;
  /**
   * Makes calls to one key; `options` are the defaults of each.
   *
   * @throws KEY_REQUIRED; the errors of wrong options
   */
  key(key: string, options?: CallOptions): ScopedClient;
  /** Makes calls to a shard, like {@link Client.key}. @throws INVALID_ENVELOPE when there is no such shard. */
  shard(shard: number, options?: CallOptions): ScopedClient;
  /** The shard of `key` in this cluster. @throws KEY_REQUIRED; NO_SUBSCRIBER until a node has said how many there are */
  shardOf(key: string): number;
  /**
   * The client of another service of the cluster, over the same connection and with the same options; its nodes say how
   * many shards it has. `default` is the service without a name. Repeated calls return one client, which closes with this.
   *
   * @throws INVALID_OPTION, TRANSPORT_CLOSED
   */
  service(name: string): Client;
  /**
   * The nodes that get no calls from this client and those of its services, or only some that try them again, because they
   * have not answered lately. A run of a node that no call tries again is left out once a window has passed. Empty without
   * the option `breaker`.
   */
  openBreakers(): readonly OpenBreaker[];
  /** Ends pending calls as `ABORTED` and refuses later ones. Leaves the transport open. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}
