/** What a memory store does with each operation and delivery: the seam through which tests lose, delay and falsify. */
import type { Clock, ClstrError } from '@clstr/core';
import type { StoreEntry } from '@clstr/core/store';
import { checkKnownOptions } from '@clstr/core/internal';

/** One call of a member, as it leaves. */
export interface StoreOperation {
  readonly member: string;
  /** The first three on the records of a membership, the others on the state of actors; `list` on both. */
  readonly kind: 'cas' | 'read' | 'list' | 'append' | 'load' | 'erase';
  /** Undefined for a list. */
  readonly key: string | undefined;
}

/** The milliseconds it takes, or `lost` if it never arrives. */
export type Transit = number | 'lost';

export interface OperationEffect {
  /** Time until the bucket carries it out. Default 0. It does so late even if the member has given up. */
  readonly request?: Transit | undefined;
  /** Time until the member gets the answer. Default 0. */
  readonly answer?: Transit | undefined;
  /** The bucket refuses a `cas` as `undecided`, and does not carry it out. */
  readonly isUndecided?: boolean | undefined;
  /** The store refuses with this reason, as a full one would. */
  readonly refusal?: ClstrError | undefined;
  /** A `read` or `list` of a membership answers with the state of this many writes ago, as far as the history goes. Default 0. */
  readonly staleBy?: number | undefined;
}

/** One entry on its way to a watch. */
export interface StoreDelivery {
  readonly member: string;
  readonly pattern: string;
  readonly entry: StoreEntry;
}

/**
 * The milliseconds until it arrives, never before an earlier one of its watch. Or the watch breaks: nothing more arrives
 * until, after `brokenMs`, the listener gets the gap with its `reason`, and then the newest write of each key.
 */
export type DeliveryEffect = number | { readonly brokenMs: number; readonly reason?: ClstrError | undefined };

export interface StorePolicy {
  onOperation?(operation: StoreOperation): OperationEffect;
  onDelivery?(delivery: StoreDelivery): DeliveryEffect;
}

/** @throws INVALID_OPTION */
export function checkPolicy(owner: string, name: string, policy: unknown): StorePolicy {
  checkKnownOptions(`${owner}: ${name}`, policy, ['onOperation', 'onDelivery']);
  return policy as StorePolicy;
}

/** Fills the gaps of a policy. If it throws, the operation is lost, and the error surfaces as an uncaught one. */
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
