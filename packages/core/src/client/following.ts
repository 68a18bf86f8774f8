/** Delivery in a dynamic cluster: calls follow their shard from node to node, those of one key in order. */
import type { Clock } from '../base/clock.ts';
import type { ClstrError, ErrorCode } from '../base/errors.ts';
import type { NodeAddress } from '../wire/transport.ts';
import { isNodeAddress } from '../wire/transport.ts';
import { hasNoOwner, ownerUnknown, tooManyHeld } from './call-errors.ts';
import { forbidsRoute, isRetried } from './delivery.ts';
import type { Delivered, Delivery } from './delivery.ts';
import { FormerOwnerCalls } from './former-owner-calls.ts';
import { HoldQueue } from './hold-queue.ts';
import type { Retries } from './retries.ts';
import type { Routes } from './routes.ts';
import { ClientTopology } from './topology.ts';
import type { ClientTopologyOptions } from './topology.ts';
import type { NoOwner } from './unowned-shards.ts';

export interface FollowingDeliveryOptions extends Omit<ClientTopologyOptions, 'onMoved'> {
  readonly retries: Retries | undefined;
  /** How long a call waits for a node to own its shard. */
  readonly ownerWaitMs: number;
  /** Waits longer with each repeat, with full jitter. */
  readonly backoffMs: (repeat: number) => number;
  /** All calls of the client that have not ended. */
  readonly calls: () => readonly Delivered[];
}

export class FollowingDelivery implements Delivery {
  readonly #clock: Clock;
  readonly #ownerWaitMs: number;
  readonly #nextOrder: () => number;
  readonly #retries: Retries | undefined;
  readonly #routes: Routes;
  readonly #topology: ClientTopology;
  readonly #holdQueue: HoldQueue;
  readonly #formerOwnerCalls: FormerOwnerCalls<Delivered>;

  constructor(options: FollowingDeliveryOptions) {
    const { clock, routes, link, backoffMs, calls } = options;
    this.#clock = clock;
    this.#ownerWaitMs = options.ownerWaitMs;
    this.#nextOrder = options.nextAttempt;
    this.#retries = options.retries;
    this.#routes = routes;
    const holdQueue = (this.#holdQueue = new HoldQueue({ clock, backoffMs }));
    const leave = (call: Delivered): void => this.#leaveFormerOwner(call);
    this.#formerOwnerCalls = new FormerOwnerCalls({ clock, holdQueue, calls, leave });
    const onMoved = (shard: number): void => {
      holdQueue.onMoved(shard);
      this.#formerOwnerCalls.onMoved(shard);
    };
    this.#topology = new ClientTopology({ ...options, onMoved });
    link.onAnnouncement((from) => this.#topology.onAnnouncement(from));
    this.#topology.refresh();
  }

  start(call: Delivered): void {
    call.order = this.#nextOrder();
    if (!this.#holdQueue.isHeld(call.key)) this.send(call);
    else if (this.#holdQueue.isFull) call.end(tooManyHeld());
    else this.#holdQueue.hold(call);
  }

  send(call: Delivered): void {
    const to = this.#routes.addressOf(call.shard);
    if (isNodeAddress(to) || !this.#routes.isOwnerOnly) call.sendTo(to);
    else this.#waitForOwner(call);
  }

  /**
   * An answer may come late, from an owner before the known one. A node that answers on the shard's own subject owns the
   * shard, or owned it when no newer owner was known.
   */
  answered({ shard, to, epoch }: Delivered, from: NodeAddress): void {
    const routes = this.#routes;
    if (routes.get(shard) !== undefined || isNodeAddress(to) || routes.epochOf(shard) !== epoch) return;
    routes.set(shard, from);
  }

  /** A call that has to go elsewhere follows its shard until its deadline; with `retry` its policy decides on the others. */
  goesOn(call: Delivered, error: ClstrError): boolean {
    if (error.code === 'CIRCUIT_OPEN' && this.#retries === undefined) return false;
    if (!this.#routes.isOwnerOnly && forbidsRoute(call, error, this.#routes)) {
      call.sendTo({ shard: call.shard });
      return true;
    }
    if ((!error.retryable && error.outcome === 'not-executed') || this.#holdQueue.isFull) return false;
    if (SAYS_NO_OWNER.has(error.code) && this.#endsWithoutOwner(call)) return true;
    let pauseMs: number | undefined;
    if (this.#retries !== undefined && isRetried(error)) {
      pauseMs = this.#retries.pauseMs(call, error);
      if (pauseMs === undefined) return false;
    }
    const from = call.to;
    call.keep(error);
    this.#holdQueue.hold(call, pauseMs);
    if (!SAYS_NOTHING_OF_OWNERS.has(error.code)) this.#learnFrom(call.shard, error, from);
    return true;
  }

  #waitForOwner(call: Delivered): void {
    const refusal = ownerUnknown(call);
    if (this.#holdQueue.isFull) call.end(refusal);
    else if (!this.#endsWithoutOwner(call)) {
      call.keep(refusal);
      this.#holdQueue.hold(call);
      this.#topology.refresh();
    }
  }

  /** Ends the call if the nodes have said for long enough that none of them owns its shard. */
  #endsWithoutOwner(call: Delivered): boolean {
    const noOwner = this.noOwner(call);
    const nowMs = this.#clock.monoMs();
    if (noOwner === undefined || nowMs - startOf(call) < this.#ownerWaitMs) return false;
    call.end(hasNoOwner(call, noOwner, nowMs));
    return true;
  }

  noOwner(call: Delivered): NoOwner | undefined {
    return this.#topology.noOwner(call.shard, startOf(call));
  }

  #learnFrom(shard: number, error: ClstrError, from: Delivered['to']): void {
    this.#topology.learnFrom(shard, error);
    // A node that names its own incarnation has yet to prove that it still owns the shard: on the shard's subject it would
    // not answer. It may prove it, or another takes over. A route that is forgotten comes back from the shard's own subject.
    if (!isNodeAddress(from) || isNamedBy(error, from) || this.#routes.isOwnerOnly) this.#topology.refresh();
    else {
      this.#routes.forget(shard, from);
      // Otherwise the shard may have a new owner already; while it moves, no node has it.
      if (error.code === 'MOVED') this.#topology.refresh();
      else this.#holdQueue.onMoved(shard);
    }
  }

  #leaveFormerOwner(call: Delivered): void {
    const owner = this.#routes.get(call.shard);
    if (owner === undefined || !this.#isWithFormerOwner(call, owner)) return;
    if (!this.#holdQueue.isFull && call.leaveAttempt()) this.#holdQueue.hold(call);
  }

  /**
   * On the shard's own subject the new owner may be working on a call. But one that was sent before any owner was known
   * went to the first known one at the latest, or to one before it.
   */
  #isWithFormerOwner({ to, shard, epoch }: Delivered, owner: NodeAddress): boolean {
    if (isNodeAddress(to)) return !isSameIncarnation(to, owner);
    return epoch === 0 && this.#routes.hasMoved(shard);
  }

  ended(call: Delivered): void {
    this.#holdQueue.ended(call);
  }

  refresh(): void {
    this.#topology.refresh();
  }

  onReconnect(): void {
    this.#topology.onAnnouncement(undefined);
  }

  close(): void {
    this.#topology.close();
    this.#formerOwnerCalls.close();
  }
}

/** Refusals of nodes that do not own the shard, or of the bus where no node serves it. */
const SAYS_NO_OWNER: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['NO_SUBSCRIBER', 'NOT_OWNER', 'MOVED']);

/** Refusals for lack of room, or by the client itself. */
const SAYS_NOTHING_OF_OWNERS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['OVERLOADED', 'CIRCUIT_OPEN']);

function startOf({ deadlineMs, timeoutMs }: Delivered): number {
  return deadlineMs - timeoutMs;
}

function isNamedBy({ details }: ClstrError, { nodeId, inc }: NodeAddress): boolean {
  return details?.['nodeId'] === nodeId && details['inc'] === inc;
}

/** One incarnation may have two address objects: one from a reply, and one from the topology. */
function isSameIncarnation(a: NodeAddress, b: NodeAddress): boolean {
  return a.nodeId === b.nodeId && a.inc === b.inc;
}
