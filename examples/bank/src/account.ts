/** An account: a balance, and all entries behind it. Both are stored before the reply to a change leaves. */
import { ActorError } from '@clstr/core';
import { durableState } from '@clstr/durable';
import { Account } from './contracts.ts';

export interface AccountState {
  isOpen: boolean;
  cents: number;
  /** The amount of each entry, by id; 0 for a reverted one. A real bank would move old ones elsewhere. */
  readonly entries: Record<string, number>;
}

export const account = Account.implement({
  durable: durableState({ initial: (): AccountState => ({ isOpen: false, cents: 0, entries: {} }) }),
  handlers: {
    open(state, { cents }) {
      if (state.isOpen) throw new ActorError('ALREADY_OPEN', 'the account is open');
      state.isOpen = true;
      return (state.cents = cents);
    },
    deposit: (state, { id, cents }) => post(state, id, cents),
    withdraw: (state, { id, cents }) => post(state, id, -cents),
    revert(state, { id }) {
      // This may overdraw an account that has spent the money since.
      state.cents -= state.entries[id] ?? 0;
      state.entries[id] = 0;
      return state.cents;
    },
    balance: ({ cents }) => cents,
  },
});

function post(state: AccountState, id: string, change: number): number {
  const known = state.entries[id];
  if (known === 0) throw new ActorError('REVERTED', `entry ${id} was reverted`);
  if (known !== undefined) return state.cents;
  if (!state.isOpen) throw new ActorError('NOT_OPEN', 'there is no such account');
  if (state.cents + change < 0) {
    throw new ActorError('OVERDRAWN', `the account holds ${state.cents} cents`, { cents: state.cents });
  }
  state.entries[id] = change;
  return (state.cents += change);
}
