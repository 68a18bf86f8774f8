/** What lists of calls, scopes and calls to nodes need of their client. */
import type { ClstrError } from '../base/errors.ts';
import type { Call, CallHost } from './call.ts';
import type { CallOptions, NotifyFailure, ResolvedClientOptions } from './options.ts';
import type { NodeInfo } from './node-info.ts';

export interface ClientParts {
  readonly options: ResolvedClientOptions;
  readonly calls: CallHost;
  /** The service that the client calls. */
  readonly service: string;
  /** The parts of the client of another one; the error if no service can have the name, or the client is closed. */
  ofService(name: string): ClientParts | ClstrError;
  /** Whether the client knows how many shards there are. */
  isShaped(): boolean;
  /** Waits until it does, and goes on with what is left of the time. */
  whenShaped<R>(options: CallOptions | undefined, goOn: (rest: CallOptions) => Promise<R>): Promise<R>;
  /** How many more calls may be pending. */
  room(): number;
  /** Why the client accepts no call now. */
  refusal(): ClstrError | undefined;
  /** @throws KEY_REQUIRED, INVALID_ENVELOPE */
  shardOf(key: string): number;
  /** @throws INVALID_ENVELOPE */
  checkType(type: string): void;
  /** A call is pending from now on, until it ends; `idempotencyKey` is its own, if it has one. */
  began(call: Call, idempotencyKey: string | undefined): void;
  /** Makes a call by itself, with the interceptors of the client; a call to a node has a host of its own. */
  checked(
    isNotify: boolean,
    key: string | undefined,
    shard: number,
    type: string,
    payload: unknown,
    options: CallOptions | undefined,
    host?: CallHost,
  ): Promise<unknown>;
  /** A notify that fails is reported to the client's listener, if there is one. */
  watch(sent: Promise<unknown>, notify: () => Omit<NotifyFailure, 'error'>): Promise<void>;
  nodeInfo(shard: number, options: CallOptions | undefined): Promise<NodeInfo>;
}
