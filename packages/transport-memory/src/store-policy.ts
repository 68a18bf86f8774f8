/** What a memory store does with each operation and delivery: the seam through which tests lose, delay and falsify. */
import type { Clock, ClstrError } from '@clstr/core';
import type { StoreEntry } from '@clstr/core/store';

/** One call of a member, as it leaves. */
export interface StoreOperation {
  readonly member: string;
  readonly kind: 'cas' | 'read' | 'list';
  /** Undefined for a list. */
  readonly key: string | undefined;
}

/** Milliseconds on the way, or that it never arrives. */
export type Transit = number | 'lost';

export interface OperationEffect {
  /** Until the bucket does it. Default 0. A lost one is never done; a late one is done late, heard of or not. */
  readonly request?: Transit | undefined;
  /** Until the member hears of it. Default 0. */
  readonly answer?: Transit | undefined;
  /** A `cas` is refused as `undecided`, and not done. */
  readonly isUndecided?: boolean | undefined;
  /** The store says why it does not do this, as a full one would. */
  readonly refusal?: ClstrError | undefined;
  /** A `read` or `list` answers with what was newest this many writes ago, as far as the history goes. Default 0. */
  readonly staleBy?: number | undefined;
}

/** One entry on its way to a watch. */
export interface StoreDelivery {
  readonly member: string;
  readonly pattern: string;
  readonly entry: StoreEntry;
}

/**
 * Milliseconds until it arrives, never before an earlier one of its watch. Or the watch breaks: nothing more arrives,
 * until after `brokenMs` the listener learns of the gap, with the `reason`, and then the newest of each key.
 */
export type DeliveryEffect = number | { readonly brokenMs: number; readonly reason?: ClstrError | undefined };

export interface StorePolicy {
  onOperation?(operation: StoreOperation): OperationEffect;
  onDelivery?(delivery: StoreDelivery): DeliveryEffect;
}

/** Without gaps; what a policy throws surfaces as an uncaught error, and the operation is lost. */
export function resolvePolicy(policy: StorePolicy, clock: Clock): Required<StorePolicy> {
  const decide = <T>(choice: () => T | undefined, normal: T, failed: T): T => {
    try {
      return choice() ?? normal;
    } catch (error) {
      clock.macrotask(() => {
        throw error;
      });
      return failed;
    }
  };
  return {
    onOperation: (operation) => decide(() => policy.onOperation?.(operation), {}, LOST),
    onDelivery: (delivery) => decide(() => policy.onDelivery?.(delivery), 0, 0),
  };
}

const LOST: OperationEffect = { request: 'lost' };

/** Calls `arrive` when the transit is over, never before this turn is. */
export function pass(clock: Clock, transit: Transit, arrive: () => void): void {
  if (transit === 'lost') return;
  if (transit <= 0) clock.macrotask(arrive);
  else clock.timer(arrive, transit);
}
