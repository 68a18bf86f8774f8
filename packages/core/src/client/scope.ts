/** Calls to one key or shard, and the options that they have in common. */
import { checkCallDefaults, withCallDefaults } from './options.ts';
import type { CallOptions } from './options.ts';

export interface NodeInfo {
  readonly nodeId: string;
  readonly shards: readonly number[];
}

/** Calls to one key, or to one shard. */
export interface ScopedClient {
  /** @throws as {@link Client.requestKey} */
  request<T = unknown>(type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  /** @throws as {@link Client.notifyKey} */
  notify(type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  /** Which node answers here, and what it serves. */
  nodeInfo(options?: CallOptions): Promise<NodeInfo>;
}

/** How calls of one scope leave; none of it throws. */
export interface Scope {
  request(type: string, payload: unknown, options: CallOptions | undefined): Promise<unknown>;
  notify(type: string, payload: unknown, options: CallOptions | undefined): Promise<void>;
  nodeInfo(options: CallOptions | undefined): Promise<NodeInfo>;
}

/** @throws what is wrong with the options */
export function scopedClient(scope: Scope, options: CallOptions | undefined): ScopedClient {
  const base = options === undefined ? undefined : checkCallDefaults(options);
  /** What is wrong with a call's own options is for the call to say, as without defaults. */
  const merged = (own: CallOptions | undefined): CallOptions | undefined =>
    base === undefined || (own !== undefined && (typeof own !== 'object' || (own as unknown) === null))
      ? own
      : withCallDefaults(base, own);
  return {
    request: <T>(type: string, payload?: unknown, own?: CallOptions) =>
      scope.request(type, payload, merged(own)) as Promise<T>,
    notify: (type, payload, own) => scope.notify(type, payload, merged(own)),
    nodeInfo: (own) => scope.nodeInfo(merged(own)),
  };
}
