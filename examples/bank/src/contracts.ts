/** The two contracts of the bank: all that a client imports. Amounts are in whole cents. */
import { defineActor, request } from '@clstr/actors';
import { z } from 'zod';

const cents = z.int().min(1).max(1_000_000_000);
const accountId = z.string().min(1).max(64);
/** One entry on one account; the id makes it harmless to repeat. */
const entry = z.object({ id: z.string().min(1).max(64), cents });

/** The account of a key. It refuses as `NOT_OPEN`, `OVERDRAWN` and `REVERTED` without changing anything. */
export const Account = defineActor('account', {
  open: request({ input: z.object({ cents }), output: z.int() }),
  deposit: request({ input: entry, output: z.int() }),
  withdraw: request({ input: entry, output: z.int() }),
  /** Undoes an entry; an entry that has not arrived yet will be refused. */
  revert: request({ input: entry.pick({ id: true }), output: z.int() }),
  balance: request({ output: z.int(), readonly: true }),
});

export const order = z.object({ from: accountId, to: accountId, cents });

/** How a transfer ended. `compensated` means that it failed half-way and was reverted. */
export const receipt = z.object({
  outcome: z.enum(['done', 'refused', 'compensated']),
  reason: z.string(),
});

/** The transfer whose id is the key: running it again gives the same receipt, and moves no money. */
export const Transfer = defineActor('transfer', {
  run: request({ input: order, output: receipt }),
});

export type Order = z.infer<typeof order>;
export type Receipt = z.infer<typeof receipt>;
