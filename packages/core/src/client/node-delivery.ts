/** Delivery of calls to nodes themselves: to a certain one, or to any. */
import { ClstrError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { NodeAddress } from '../wire/transport.ts';
import { measured } from './balance.ts';
import type { Picker } from './balance.ts';
import type { CallHost } from './call.ts';
import { isRetried } from './delivery.ts';
import type { Delivered, Delivery } from './delivery.ts';
import type { KnownNode, Nodes } from './nodes.ts';
import { Routes } from './routes.ts';

/** What says that a node is not there, or takes no messages now. */
const SAYS_GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(['NO_SUBSCRIBER', 'DRAINING', 'NOT_OWNER', 'CIRCUIT_OPEN'] as const),
]);

/** The host of calls to nodes: they follow no shard, and no subject but a node's own would do. */
export function hostOfNodeCalls(calls: CallHost, delivery: Delivery): CallHost {
  const own = { delivery: { value: delivery }, routes: { value: OWN_SUBJECT_ONLY } };
  return Object.create(calls, own) as CallHost;
}

const OWN_SUBJECT_ONLY = new Routes('owner');

abstract class NodeDelivery implements Delivery {
  protected readonly calls: CallHost;

  constructor(calls: CallHost) {
    this.calls = calls;
  }

  abstract send(call: Delivered): void;
  abstract goesOn(call: Delivered, error: ClstrError): boolean;

  start(call: Delivered): void {
    this.send(call);
  }

  protected isRepeated(call: Delivered, error: ClstrError): boolean {
    const pauseMs = isRetried(error) ? this.calls.retries?.pauseMs(call, error) : undefined;
    if (pauseMs === undefined) return false;
    call.keep(error);
    call.resendAfter(pauseMs);
    return true;
  }

  answered(): void {
    /* the answer comes from the node that was called */
  }

  noOwner(): undefined {
    /* nobody owns a node */
  }

  ended(_call: Delivered): void {
    /* no call waits for another */
  }

  refresh(): void {
    this.calls.delivery.refresh();
  }

  onReconnect(): void {
    /* the delivery of the client asks */
  }

  close(): void {
    /* nothing to end */
  }
}

/** Sends each call to one node. */
export class ToNode extends NodeDelivery {
  readonly #nodes: Nodes;
  readonly #address: NodeAddress;

  constructor(calls: CallHost, nodes: Nodes, address: NodeAddress) {
    super(calls);
    this.#nodes = nodes;
    this.#address = address;
  }

  send(call: Delivered): void {
    call.sendTo(this.#address);
  }

  goesOn(call: Delivered, error: ClstrError): boolean {
    if (!SAYS_GONE.has(error.code)) return this.isRepeated(call, error);
    this.#nodes.gone(this.#address);
    return false;
  }
}

/** Sends each call to one of the nodes, and to another one if that is gone. */
export class ToAnyNode extends NodeDelivery {
  readonly #nodes: Nodes;
  readonly #pick: Picker;
  /** Calls that wait until the client has found a node. */
  readonly #waiting = new Set<Delivered>();
  /** The node that each call was sent to last. */
  readonly #at = new Map<Delivered, KnownNode>();

  constructor(calls: CallHost, nodes: Nodes, pick: Picker) {
    super(calls);
    this.#nodes = nodes;
    this.#pick = pick;
  }

  send(call: Delivered): void {
    this.#leave(call);
    this.#nodes.findAgain();
    if (this.#sendNow(call)) return;
    this.#waiting.add(call);
    void this.#nodes.find().then(() => {
      if (!this.#waiting.delete(call) || this.#sendNow(call)) return;
      call.end(new ClstrError('NO_SUBSCRIBER', 'the client has found no node of the cluster'));
    });
  }

  goesOn(call: Delivered, error: ClstrError): boolean {
    const node = this.#leave(call);
    if (node === undefined || !SAYS_GONE.has(error.code)) return this.isRepeated(call, error);
    this.#nodes.gone(node.address);
    // For the next calls: another node may have come in its place.
    void this.#nodes.find();
    return this.#sendNow(call);
  }

  override ended(call: Delivered): void {
    this.#waiting.delete(call);
    const node = this.#leave(call);
    if (node === undefined || call.isNotify) return;
    const nowMs = this.calls.clock.monoMs();
    measured(node, nowMs - (call.deadlineMs - call.timeoutMs), nowMs);
  }

  #sendNow(call: Delivered): boolean {
    const live = this.#nodes.live();
    if (live.length === 0) return false;
    const node = this.#pick(live);
    this.#at.set(call, node);
    // A notify has no answer, and so no end that would show what the node is doing.
    if (!call.isNotify) node.inFlight++;
    call.sendTo(node.address);
    return true;
  }

  #leave(call: Delivered): KnownNode | undefined {
    const node = this.#at.get(call);
    if (node === undefined) return undefined;
    this.#at.delete(call);
    if (!call.isNotify) node.inFlight--;
    return node;
  }
}
