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
import type { CallOptions, ResolvedClientOptions } from './options.ts';

/** What one node has answered, or why it has not. */
export type NodeResult<T = unknown> =
  | { readonly nodeId: string; readonly ok: true; readonly value: T }
  | { readonly nodeId: string; readonly ok: false; readonly error: ClstrError };

export interface GatherOptions extends CallOptions {
  /** How many answers are enough; the other nodes are told to stop. Default: those of all nodes. */
  count?: number | undefined;
}

export interface AnyOptions {
  /** How a node is chosen. Default `round-robin`. */
  balance?: Balance | undefined;
}

/** Calls to any one node of the cluster, which its `nodeHandlers` answer. */
export interface AnyNode {
  /** @throws as {@link Client.requestKey}, but for the key; NO_SUBSCRIBER if there is no node */
  request<T = unknown>(type: string, payload?: unknown, options?: CallOptions): Promise<T>;
  /** @throws as {@link Client.notifyKey}, but for the key; NO_SUBSCRIBER if there is no node */
  notify(type: string, payload?: unknown, options?: CallOptions): Promise<void>;
}

export const anySpec: Spec<Resolved<AnyOptions>> = {
  balance: oneOf(['round-robin', 'least-in-flight', 'two-choices'], 'round-robin'),
};

/** What messages to nodes need of their client. */
export interface NodesHost {
  readonly options: ResolvedClientOptions;
  readonly calls: CallHost;
  readonly nodes: Nodes;
  /** @throws INVALID_ENVELOPE */
  checkType(type: string): void;
  /** Waits until the client knows how many shards there are, and goes on with what is left of the time. */
  whenShaped<R>(options: CallOptions, goOn: (rest: CallOptions) => Promise<R>): Promise<R>;
  /** Makes one call, with the interceptors of the client. */
  send(
    isNotify: boolean,
    type: string,
    payload: unknown,
    options: CallOptions | undefined,
    host: CallHost,
  ): Promise<unknown>;
}

export class NodeCalls {
  readonly #host: NodesHost;

  constructor(host: NodesHost) {
    this.#host = host;
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
    this.#host.checkType(type);
    return this.#host.whenShaped(own, (rest) => toAllNodes(this.#host, isNotify, type, payload, rest, count));
  }

  /** @throws INVALID_OPTION */
  any(options: AnyOptions = {}): AnyNode {
    const { balance } = resolve('any', anySpec, options);
    const host = this.#host;
    const { clock, random } = host.options;
    const picker = pickerOf(balance, clock, random);
    const delivery = new ToAnyNode(host.calls, host.nodes, picker);
    const calls = hostOfNodeCalls(host.calls, delivery);
    return {
      request: <T>(type: string, payload?: unknown, own?: CallOptions) =>
        host.send(false, type, payload, own, calls) as Promise<T>,
      notify: (type, payload, own) => host.send(true, type, payload, own, calls) as Promise<void>,
    };
  }
}

/** Sends to all nodes, and returns a row for each; a node that is missing is a row as well. */
async function toAllNodes(
  host: NodesHost,
  isNotify: boolean,
  type: string,
  payload: unknown,
  options: CallOptions,
  count: number | undefined,
): Promise<NodeResult[]> {
  const { nodes, calls } = host;
  const { timeoutMs = host.options.timeoutMs } = options;
  checkInteger('call', 'timeoutMs', timeoutMs, 1, MAX_DELAY_MS);
  const untilMs = calls.clock.monoMs() + timeoutMs;
  await within(calls.clock, nodes.find(), timeoutMs);
  const all = nodes.known();
  if (all.length === 0) throw new ClstrError('NO_SUBSCRIBER', 'the client has found no node of the cluster');
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
        const own = { ...options, timeoutMs: leftMs, signal };
        const value = await host.send(
          isNotify,
          type,
          payload,
          own,
          hostOfNodeCalls(calls, new ToNode(calls, nodes, address)),
        );
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
