/** How calls find their node and react to a refusal. A client begins with one delivery and may change to the other. */
import type { Clock } from '../base/clock.ts';
import type { ClstrError } from '../base/errors.ts';
import type { Address, NodeAddress } from '../wire/transport.ts';
import { isNodeAddress } from '../wire/transport.ts';
import type { Discovery, Undecided } from './discovery.ts';
import type { HeldCall } from './hold-queue.ts';
import type { FailedCall, Retries } from './retries.ts';
import type { Routes } from './routes.ts';
import type { NoOwner } from './unowned-shards.ts';

/** A call as its delivery sees it. */
export interface Delivered extends HeldCall, Undecided, FailedCall {
  readonly isNotify: boolean;
  readonly key: string | undefined;
  readonly timeoutMs: number;
  order: number;
  repeats: number;
  /** The address of the last attempt; before that of the first. */
  readonly to: Address;
  /** The highest known epoch of its shard when it was last sent to the shard's own subject. */
  readonly epoch: number;
  /** The current delivery of its client. */
  readonly delivery: Delivery;
  sendTo(to: Address): void;
  resendAfter(delayMs: number): void;
  /** Records a refusal: the call waits to be sent again. */
  keep(refusal: ClstrError): void;
  /** Gives up the attempt that waits for an answer; returns false if the call has none that may run twice. */
  leaveAttempt(): boolean;
  end(error: ClstrError): void;
}

export interface Delivery {
  /** Sends a new call, or keeps it back behind others of its key. */
  start(call: Delivered): void;
  /** Sends a call again, to where its shard is by now. */
  send(call: Delivered): void;
  /** Hot path: the node `from` has answered the call. */
  answered(call: Delivered, from: NodeAddress): void;
  /** Whether the call goes on after `error`, sent again now or later. Its outcome allows that. */
  goesOn(call: Delivered, error: ClstrError): boolean;
  /** Why no node can answer the call, as far as the nodes of a dynamic cluster have said since it began. */
  noOwner(call: Delivered): NoOwner | undefined;
  /** The call is over. */
  ended(call: Delivered): void;
  /** The client's knowledge of the cluster may be out of date. */
  refresh(): void;
  /** The connection is back: the client may have missed announcements. */
  onReconnect(): void;
  close(): void;
}

export interface StaticDeliveryOptions {
  readonly routes: Routes;
  readonly clock: Clock;
  /** Finds out whether the cluster is dynamic; undefined if an option says so. */
  readonly discovery: Discovery | undefined;
  readonly retries: Retries | undefined;
  /** Waits longer with each repeat, with full jitter. */
  readonly backoffMs: (repeat: number) => number;
}

/** How long nodes may still be subscribing again after a reconnect. */
const SETTLE_MS = 2_000;

/** In a static cluster a shard without a node stays without one. The client learns routes from answers. */
export class StaticDelivery implements Delivery {
  readonly #options: StaticDeliveryOptions;
  #settlingUntilMs = -Infinity;

  constructor(options: StaticDeliveryOptions) {
    this.#options = options;
  }

  start(call: Delivered): void {
    call.sendTo(call.to);
  }

  send(call: Delivered): void {
    call.sendTo(this.#options.routes.addressOf(call.shard));
  }

  answered(call: Delivered, from: NodeAddress): void {
    const { routes } = this.#options;
    if (routes.get(call.shard) !== from) routes.set(call.shard, from);
  }

  goesOn(call: Delivered, error: ClstrError): boolean {
    if (forbidsRoute(call, error, this.#options.routes) || this.#isWrongRoute(call, error)) {
      call.sendTo({ shard: call.shard });
      return true;
    }
    if (!error.retryable && error.outcome === 'not-executed') return false;
    if (this.#options.discovery?.holds(call, error) === true) {
      call.keep(error);
      return true;
    }
    // The refusal itself may have shown that the cluster is dynamic.
    const { delivery } = call;
    return delivery === this ? this.#repeats(call, error) : delivery.goesOn(call, error);
  }

  /** Without retries, requests are repeated only while nodes come back after a lost connection, or when they may run twice. */
  #repeats(call: Delivered, error: ClstrError): boolean {
    const { clock, retries, backoffMs } = this.#options;
    const nowMs = clock.monoMs();
    const isComingBack = error.code === 'NO_SUBSCRIBER' && nowMs < this.#settlingUntilMs;
    let delayMs: number | undefined;
    if (retries !== undefined && !isComingBack) delayMs = retries.pauseMs(call, error);
    else if (call.isNotify || error.outcome === 'unknown' || isComingBack)
      delayMs = backoffMs(call.repeats++);
    if (delayMs === undefined || nowMs + delayMs >= call.deadlineMs) return false;
    call.keep(error);
    call.resendAfter(delayMs);
    return true;
  }

  /** Forgets a learned route that the error proves wrong, and returns whether it did. */
  #isWrongRoute({ to, shard }: Delivered, { code }: ClstrError): boolean {
    if (!isNodeAddress(to) || (code !== 'NO_SUBSCRIBER' && code !== 'NOT_OWNER')) return false;
    this.#options.routes.forget(shard, to);
    return true;
  }

  noOwner(): undefined {
    /* whether a shard has an owner is known in a dynamic cluster only */
  }

  ended(): void {
    /* no call waits for another */
  }

  refresh(): void {
    this.#options.discovery?.ask();
  }

  onReconnect(): void {
    this.#settlingUntilMs = this.#options.clock.monoMs() + SETTLE_MS;
    this.refresh();
  }

  close(): void {
    this.#options.discovery?.close();
  }
}

/** Whether a repeat after the error is a retry. After the other refusals the call only goes elsewhere, to be run once. */
export function isRetried({ code, outcome }: ClstrError): boolean {
  return code === 'OVERLOADED' || code === 'CIRCUIT_OPEN' || outcome !== 'not-executed';
}

/** Whether the server forbids this client the direct subjects of nodes; then it uses none of them any more. */
export function forbidsRoute({ to }: Delivered, error: ClstrError, routes: Routes): boolean {
  if (error.code !== 'NO_PERMISSION' || !isNodeAddress(to)) return false;
  routes.forbid();
  return true;
}
