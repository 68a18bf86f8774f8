/** Calls to one key or shard with common options. */
import { checkCallDefaults, withCallDefaults } from './options.ts';
import type { CallOptions } from './options.ts';
import type { ClientParts } from './client-parts.ts';
import type { NodeInfo } from './node-info.ts';

/** Calls to one key, or to one shard. */
export interface ScopedClient {
  /** @throws as {@link Client.requestKey} */
  request<T = unknown>(type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  /** @throws as {@link Client.notifyKey} */
  notify(type: string, payload?: unknown, options?: CallOptions): Promise<void>;
  /** Returns which node answers here, and what it serves. */
  nodeInfo(options?: CallOptions): Promise<NodeInfo>;
}

/** How calls of one scope leave; its methods do not throw. */
export interface Scope {
  request(type: string, payload: unknown, options: CallOptions | undefined): Promise<unknown>;
  notify(type: string, payload: unknown, options: CallOptions | undefined): Promise<void>;
  nodeInfo(options: CallOptions | undefined): Promise<NodeInfo>;
}

/** The calls to one key, or to one shard, as their client makes them. */
export function scopeOf(client: ClientParts, key: string | undefined, shardOf: () => number): Scope {
  let shard = client.isShaped() ? shardOf() : undefined;
  const call = (isNotify: boolean, type: string, payload: unknown, own: CallOptions | undefined) =>
    shard === undefined
      ? client.whenShaped(own, (rest) =>
          client.checked(isNotify, key, (shard = shardOf()), type, payload, rest),
        )
      : client.checked(isNotify, key, shard, type, payload, own);
  return {
    request: (type, payload, own) => call(false, type, payload, own),
    notify: (type, payload, own) =>
      client.watch(call(true, type, payload, own), () => ({ key, shard, type })),
    nodeInfo: (own) =>
      shard === undefined
        ? client.whenShaped(own, (rest) => client.nodeInfo((shard = shardOf()), rest))
        : client.nodeInfo(shard, own),
  };
}

/** @throws the errors of wrong options */
export function scopedClient(scope: Scope, options: CallOptions | undefined): ScopedClient {
  const base = options === undefined ? undefined : checkCallDefaults(options);
  /** Leaves wrong options of a call for the call to refuse, as without defaults. */
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
