/**
 * A transfer: it withdraws from one account, deposits to another, and reverts both entries when it cannot finish.
 *
 * The trap is the answer that never arrives: a failed deposit may still have happened. So the transfer does not guess.
 * It reverts both entries, which is right whether or not they were made. If its node dies half-way, the transfer begins
 * again when it is asked again: its entries have ids, so that nothing is booked twice.
 */
import { ActorError, isClstrError } from '@clstr/core';
import type { LifecycleContext } from '@clstr/actors';
import { durableState } from '@clstr/durable';
import { Account, Transfer } from './contracts.ts';
import type { Order, Receipt } from './contracts.ts';

interface TransferState {
  order?: Order;
  /** The result: from then on the transfer answers with it, and moves no money. */
  receipt?: Receipt;
}

type Context = Pick<LifecycleContext, 'ref' | 'key'>;

export const transfer = Transfer.implement({
  durable: durableState({ initial: (): TransferState => ({}) }),
  handlers: {
    async run(state, order, ctx) {
      state.order ??= order;
      if (!isSame(order, state.order)) {
        throw new ActorError('ID_REUSED', `transfer ${ctx.key} already exists with other values`);
      }
      return (state.receipt ??= await move(order, ctx));
    },
  },
});

async function move(order: Order, ctx: Context): Promise<Receipt> {
  const { from, to, cents } = order;
  const entry = { id: ctx.key, cents };
  if (from === to) return { outcome: 'refused', reason: 'SAME_ACCOUNT' };
  try {
    await ctx.ref(Account, from).withdraw(entry);
  } catch (error) {
    // The account refuses only what it has not booked; but an entry that was reverted may have a counterpart.
    const reason = reasonOf(error);
    if (error instanceof ActorError && reason !== 'REVERTED') return { outcome: 'refused', reason };
    return takeBack(order, reason, ctx);
  }
  try {
    await ctx.ref(Account, to).deposit(entry);
    return { outcome: 'done', reason: '' };
  } catch (error) {
    return takeBack(order, reasonOf(error), ctx);
  }
}

/** @throws PENDING when it has to be asked again */
async function takeBack({ from, to }: Order, reason: string, ctx: Context): Promise<Receipt> {
  try {
    for (const key of [to, from]) await ctx.ref(Account, key).revert({ id: ctx.key });
  } catch {
    throw new ActorError('PENDING', `the transfer is being reverted (${reason}): ask again`);
  }
  return { outcome: 'compensated', reason };
}

function isSame(one: Order, other: Order): boolean {
  return one.from === other.from && one.to === other.to && one.cents === other.cents;
}

function reasonOf(error: unknown): string {
  if (!isClstrError(error)) return String(error);
  return error instanceof ActorError ? error.actorCode : error.code;
}
