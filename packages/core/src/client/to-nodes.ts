/** Messages to nodes themselves: to all of them, and to any one. */
import { anySignal } from '../base/abort-listeners.ts';
import { within } from '../base/clock.ts';
import { ClstrError, isClstrError } from '../base/errors.ts';
import { MAX_DELAY_MS, checkInteger, invalidOption } from '../base/options.ts';
import { oneOf, resolve } from '../base/spec.ts';
import type { Resolved, Spec } from '../base/spec.ts';
import { pickerOf } from './balance.ts';
import type { Balance } from './balance.ts';
import type { CallHost } from './call.ts';
import { ToAnyNode, ToNode, hostOfNodeCalls } from './node-delivery.ts';
import type { Nodes } from './nodes.ts';
import { checkCallOptions } from './options.ts';
import type { CallOptions } from './options.ts';
import type { ClientParts } from './client-parts.ts';
import { NO_SHARD } from '../wire/transport.ts';

/** What one node has answered, or why it has not. */
export type NodeResult<T = unknown> =
  | { readonly nodeId: string; readonly ok: true; readonly value: T }
  | { readonly nodeId: string; readonly ok: false; readonly error: ClstrError };

export interface GatherOptions extends CallOptions {
  /** How many answers are enough. The client then cancels its calls to the other nodes. Default: one from every node. */
  count?: number | undefined;
}

export interface AnyOptions {
  /** How a node is chosen. Default `round-robin`. */
  balance?: Balance | undefined;
}

/** Calls to any one node of the cluster, which its `nodeHandlers` answer. */
export interface AnyNode {
  /** @throws what {@link Client.requestKey} throws, except KEY_REQUIRED; NO_SUBSCRIBER if the client finds no node */
  request<T = unknown>(type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  /** @throws what {@link Client.notifyKey} throws, except KEY_REQUIRED; NO_SUBSCRIBER if the client finds no node */
  notify(type: string, payload?: unknown, options?: CallOptions): Promise<void>;
}

export const anySpec: Spec<Resolved<AnyOptions>> = {
  balance: oneOf(['round-robin', 'least-in-flight', 'two-choices'], 'round-robin'),
};

export class NodeCalls {
  readonly #client: ClientParts;
  readonly #nodes: Nodes;

  constructor(client: ClientParts, nodes: Nodes) {
    this.#client = client;
    this.#nodes = nodes;
  }

  async toAll(
    isNotify: boolean,
    type: string,
    payload: unknown,
    options: GatherOptions = {},
  ): Promise<NodeResult[]> {
    const { count, ...own } = withoutNull(options);
    if (count !== undefined) checkInteger('gather', 'count', count, 1, Number.MAX_SAFE_INTEGER);
    checkCallOptions(isNotify ? options : own);
    const client = this.#client;
    client.checkType(type);
    const message: Message = { client, nodes: this.#nodes, isNotify, type, payload };
    const send = (rest: CallOptions): Promise<NodeResult[]> => toAllNodes(message, rest, count);
    return client.isShaped() ? send(own) : client.whenShaped(own, send);
  }

  /** @throws INVALID_OPTION */
  any(options: AnyOptions = {}): AnyNode {
    const { balance } = resolve('any', anySpec, options);
    const client = this.#client;
    const { clock, random } = client.options;
    const picker = pickerOf(balance, clock, random);
    const calls = hostOfNodeCalls(client.calls, new ToAnyNode(client.calls, this.#nodes, picker));
    return {
      request: <T>(type: string, payload?: unknown, own?: CallOptions) =>
        toNode({ client, isNotify: false, type, payload }, own, calls) as Promise<T>,
      notify: (type, payload, own) =>
        toNode({ client, isNotify: true, type, payload }, own, calls) as Promise<void>,
    };
  }
}

interface Message {
  readonly client: ClientParts;
  readonly nodes: Nodes;
  readonly isNotify: boolean;
  readonly type: string;
  readonly payload: unknown;
}

function toNode(
  { client, isNotify, type, payload }: Omit<Message, 'nodes'>,
  options: CallOptions | undefined,
  calls: CallHost,
): Promise<unknown> {
  const sent = client.checked(isNotify, undefined, NO_SHARD, type, payload, options, calls);
  return isNotify ? client.watch(sent, () => ({ key: undefined, shard: NO_SHARD, type })) : sent;
}

/** Sends to all nodes, and returns a row for each; a node that is missing is a row as well. */
async function toAllNodes(
  message: Message,
  options: CallOptions,
  count: number | undefined,
): Promise<NodeResult[]> {
  const { client, nodes } = message;
  const { calls } = client;
  const { timeoutMs = client.options.timeoutMs } = options;
  checkInteger('call', 'timeoutMs', timeoutMs, 1, MAX_DELAY_MS);
  const untilMs = calls.clock.monoMs() + timeoutMs;
  await within(calls.clock, nodes.find(), timeoutMs);
  const all = nodes.known();
  if (all.length === 0) throw new ClstrError('NO_SUBSCRIBER', 'the client has found no node of the cluster');
  client.options.metrics.listMade(message.isNotify ? 'broadcast' : 'gather', all.length);
  const leftMs = Math.max(1, Math.floor(untilMs - calls.clock.monoMs()));
  const enough = new AbortController();
  const [signal, letGo] = anySignal(
    options.signal === undefined ? [enough.signal] : [enough.signal, options.signal],
  );
  let answers = 0;
  const rows = await Promise.all(
    all.map(async ({ address }): Promise<NodeResult> => {
      const { nodeId } = address;
      try {
        const host = hostOfNodeCalls(calls, new ToNode(calls, nodes, address));
        const value = await toNode(message, { ...options, timeoutMs: leftMs, signal }, host);
        if (++answers === count) enough.abort(new Error(`${count} answers have come`));
        return { nodeId, ok: true, value };
      } catch (thrown) {
        return { nodeId, ok: false, error: asClstrError(thrown) };
      }
    }),
  );
  letGo();
  return rows.filter((row, i) => !isGone(row) || !rows.some((other, j) => isSameNode(row, other, i - j)));
}

function isGone(row: NodeResult): boolean {
  return !row.ok && row.error.code === 'NO_SUBSCRIBER';
}

/** Whether `other` is a run of the same node that says more, so that the row of a run that is gone can be left out. */
function isSameNode(row: NodeResult, other: NodeResult, after: number): boolean {
  return other.nodeId === row.nodeId && (after > 0 || (after < 0 && !isGone(other)));
}

/** @throws INVALID_OPTION */
function withoutNull(options: unknown): GatherOptions {
  if (typeof options === 'object' && options !== null) return options;
  throw invalidOption('call', 'options', options, 'an object');
}

function asClstrError(thrown: unknown): ClstrError {
  if (isClstrError(thrown)) return thrown;
  return new ClstrError('INTERNAL', `an interceptor failed: ${String(thrown)}`, { cause: thrown });
}
