/** A counter per key: the whole business code of this example, and the part to copy. */
import type { KeyedHandler } from '@clstr/actors';
import { keyHandler } from '@clstr/actors';
import type { Handler } from '@clstr/core';
import { ClstrError, describe, forCaller } from '@clstr/core';

/** Payload of `Increment`; the reply is the new value. `Get` has no payload, its reply is the value. */
export interface Increment {
  /** A whole number from 1 to {@link MAX_AMOUNT}. */
  amount: number;
}

export const MAX_AMOUNT = 1_000_000_000;

/**
 * What a node runs for its share of the counters. The values live in memory only: a counter that leaves the cache
 * starts again at 0. So `cacheSize` must be at least the number of keys in use.
 */
export function counterHandler(cacheSize: number): Handler {
  return keyHandler(createCounter, { cacheSize });
}

/** Called once per key, on the node that owns it. Nothing awaits between read and write, so no update is lost. */
function createCounter(): KeyedHandler {
  let value = 0;
  return ({ type, payload }) => {
    switch (type) {
      case 'Increment':
        value += amountOf(payload);
        return value;
      case 'Get':
        return value;
      default:
        throw forCaller(new ClstrError('UNKNOWN_TYPE', `a counter knows no message type ${describe(type)}`));
    }
  };
}

/** What arrives over a network is checked, whatever the sender's types say. */
function amountOf(payload: unknown): number {
  const { amount } = (payload ?? {}) as Partial<Increment>;
  if (typeof amount === 'number' && Number.isInteger(amount) && amount >= 1 && amount <= MAX_AMOUNT) {
    return amount;
  }
  const message = `amount must be a whole number from 1 to ${MAX_AMOUNT}, got ${describe(amount)}`;
  throw forCaller(new ClstrError('VALIDATION_FAILED', message));
}
