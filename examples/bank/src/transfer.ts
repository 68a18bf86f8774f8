/**
 * A transfer: it withdraws from one account, deposits to another, and reverts both entries when it cannot finish.
 *
 * The trap is the answer that never arrives: a failed deposit may still have happened. So the transfer does not guess.
 * It reverts both entries, which is right whether or not they were made.
 */
import type { LifecycleContext } from '@clstr/actors';
import { ActorError, isClstrError } from '@clstr/core';
import { Account, Transfer } from './contracts.ts';
import type { Order, Receipt } from './contracts.ts';

interface TransferState {
  order: Order | undefined;
  /** The reason why the transfer is being reverted. */
  failure: string | undefined;
  /** The result, which is kept as long as the actor is in memory. */
  receipt: Receipt | undefined;
}

const RETRY_MS = 50;

export const transfer = Transfer.implement({
  setup: (): TransferState => ({ order: undefined, failure: undefined, receipt: undefined }),
  handlers: {
    async run(state, order, ctx) {
      state.order ??= order;
      if (!isSame(order, state.order)) {
        throw new ActorError('ID_REUSED', `transfer ${ctx.key} already exists with other values`);
      }
      if (state.receipt === undefined && state.failure === undefined) await move(state, order, ctx);
      if (state.receipt === undefined) await takeBack(state, order, ctx);
      if (state.receipt === undefined)
        throw new ActorError('PENDING', 'the transfer is being reverted: ask again');
      return state.receipt;
    },
  },
});

/** Sets the receipt, or the reason why the transfer must be reverted. */
async function move(state: TransferState, { from, to, cents }: Order, ctx: LifecycleContext): Promise<void> {
  const entry = { id: ctx.key, cents };
  if (from === to) {
    state.receipt = { outcome: 'refused', reason: 'SAME_ACCOUNT' };
    return;
  }
  try {
    await ctx.ref(Account, from).withdraw(entry);
  } catch (error) {
    // An ActorError from the account means that nothing has changed.
    if (error instanceof ActorError) state.receipt = { outcome: 'refused', reason: reasonOf(error) };
    else state.failure = reasonOf(error);
    return;
  }
  try {
    await ctx.ref(Account, to).deposit(entry);
    state.receipt = { outcome: 'done', reason: '' };
  } catch (error) {
    state.failure = reasonOf(error);
  }
}

/** Reverts until it succeeds, in turns of its own, so that the caller's deadline does not limit it. */
async function takeBack(state: TransferState, { from, to }: Order, ctx: LifecycleContext): Promise<void> {
  if (state.receipt !== undefined) return;
  try {
    for (const account of [to, from]) await ctx.ref(Account, account).revert({ id: ctx.key });
    state.receipt = { outcome: 'compensated', reason: state.failure! };
  } catch {
    ctx.after(RETRY_MS, (later) => takeBack(state, { from, to, cents: 0 }, later));
  }
}

function isSame(one: Order, other: Order): boolean {
  return one.from === other.from && one.to === other.to && one.cents === other.cents;
}

function reasonOf(error: unknown): string {
  if (!isClstrError(error)) return String(error);
  return error instanceof ActorError ? error.actorCode : error.code;
}
