/** The two contracts of the bank: all that a client needs to know. Money is in whole cents. */
import { defineActor, request } from '@clstr/actors';
import { z } from 'zod';

const cents = z.int().min(1).max(1_000_000_000);
const accountId = z.string().min(1).max(64);
/** One movement of money on one account; the id makes repeating it harmless. */
const entry = z.object({ id: z.string().min(1).max(64), cents });

/** The account of its key. Refuses as `NOT_OPEN`, `OVERDRAWN` and `REVERTED`, having changed nothing. */
export const Account = defineActor('account', {
  open: request({ input: z.object({ cents }), output: z.int() }),
  deposit: request({ input: entry, output: z.int() }),
  withdraw: request({ input: entry, output: z.int() }),
  /** Undoes an entry; one that has not come yet will be refused when it does. */
  revert: request({ input: entry.pick({ id: true }), output: z.int() }),
  balance: request({ output: z.int(), readonly: true }),
});

export const order = z.object({ from: accountId, to: accountId, cents });

/** How a transfer ended. Compensated: it went wrong half-way, and was taken back. */
export const receipt = z.object({
  outcome: z.enum(['done', 'refused', 'compensated']),
  reason: z.string(),
});

/** The transfer whose id is its key: running it again gives the same receipt, and moves no money. */
export const Transfer = defineActor('transfer', {
  run: request({ input: order, output: receipt }),
});

export type Order = z.infer<typeof order>;
export type Receipt = z.infer<typeof receipt>;
