/** Delivery of calls to nodes themselves: to a certain one, or to any. */
import { ClstrError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { Clock } from '../base/clock.ts';
import type { NodeAddress } from '../wire/transport.ts';
import { isNodeAddress } from '../wire/transport.ts';
import { measured } from './balance.ts';
import type { Picker } from './balance.ts';
import type { Delivered, Delivery } from './delivery.ts';
import type { KnownNode, Nodes } from './nodes.ts';

/** Refusals of a node that is not there, or that takes no messages now. */
const SAYS_GONE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['NO_SUBSCRIBER', 'DRAINING', 'NOT_OWNER']);

/** What deliveries to nodes have in common: calls of this kind follow no shard. */
abstract class NodeDelivery implements Delivery {
  protected readonly nodes: Nodes;

  constructor(nodes: Nodes) {
    this.nodes = nodes;
  }

  abstract start(call: Delivered): void;
  abstract goesOn(call: Delivered, error: ClstrError): boolean;

  protected noteGone({ to }: Delivered, { code }: ClstrError): boolean {
    if (!SAYS_GONE.has(code) || !isNodeAddress(to)) return false;
    this.nodes.gone(to);
    return true;
  }

  answered(): void {
    /* the answer names the node that was called */
  }

  noOwner(): undefined {
    /* nobody owns a node */
  }

  ended(_call: Delivered): void {
    /* no call waits for another */
  }

  refresh(): void {
    /* the delivery of the client asks */
  }

  onReconnect(): void {
    /* the same */
  }

  close(): void {
    /* nothing to end */
  }
}

/** Sends each call to one node. */
export class ToNode extends NodeDelivery {
  readonly #address: NodeAddress;

  constructor(nodes: Nodes, address: NodeAddress) {
    super(nodes);
    this.#address = address;
  }

  start(call: Delivered): void {
    call.sendTo(this.#address);
  }

  goesOn(call: Delivered, error: ClstrError): boolean {
    this.noteGone(call, error);
    return false;
  }
}

/** Sends each call to one of the nodes, and to another one if that is gone. */
export class ToAnyNode extends NodeDelivery {
  readonly #pick: Picker;
  readonly #clock: Clock;
  /** Calls that wait until the client has found a node. */
  readonly #waiting = new Set<Delivered>();
  /** Where the request is that each call has made last. */
  readonly #at = new Map<Delivered, KnownNode>();

  constructor(nodes: Nodes, pick: Picker, clock: Clock) {
    super(nodes);
    this.#pick = pick;
    this.#clock = clock;
  }

  start(call: Delivered): void {
    if (this.#send(call)) return;
    this.#waiting.add(call);
    void this.nodes.find().then(() => {
      if (!this.#waiting.delete(call) || this.#send(call)) return;
      call.end(new ClstrError('NO_SUBSCRIBER', 'the client has found no node of the cluster'));
    });
  }

  goesOn(call: Delivered, error: ClstrError): boolean {
    if (!this.noteGone(call, error)) return false;
    this.#leave(call);
    // A node that has come instead is found for the next calls.
    void this.nodes.find();
    return this.#send(call);
  }

  override ended(call: Delivered): void {
    this.#waiting.delete(call);
    const node = this.#leave(call);
    if (node === undefined) return;
    const nowMs = this.#clock.monoMs();
    measured(node, nowMs - (call.deadlineMs - call.timeoutMs), nowMs);
  }

  #send(call: Delivered): boolean {
    const live = this.nodes.live();
    if (live.length === 0) return false;
    const node = this.#pick(live);
    // A notify has no answer, and so no end that would show what the node is doing.
    if (!call.isNotify) {
      node.inFlight++;
      this.#at.set(call, node);
    }
    call.sendTo(node.address);
    return true;
  }

  #leave(call: Delivered): KnownNode | undefined {
    const node = this.#at.get(call);
    if (node === undefined) return undefined;
    this.#at.delete(call);
    node.inFlight--;
    return node;
  }
}
