/** An account: a balance, and all entries behind it. */
import type { Actor } from '@clstr/actors';
import { ActorError } from '@clstr/core';
import { Account } from './contracts.ts';

export interface AccountState {
  isOpen: boolean;
  cents: number;
  /** The amount of each entry, by id; 0 for a reverted one. A real bank keeps these in its database. */
  readonly entries: Map<string, number>;
}

/** @param store keeps the accounts that are not in memory. */
export function createAccount(store: Map<string, AccountState>): Actor {
  return Account.implement({
    setup: ({ key }): AccountState => store.get(key) ?? { isOpen: false, cents: 0, entries: new Map() },
    handlers: {
      open(account, { cents }) {
        if (account.isOpen) throw new ActorError('ALREADY_OPEN', 'the account is open');
        account.isOpen = true;
        return (account.cents = cents);
      },
      deposit: (account, { id, cents }) => post(account, id, cents),
      withdraw: (account, { id, cents }) => post(account, id, -cents),
      revert(account, { id }) {
        // This may overdraw an account that has spent the money since.
        account.cents -= account.entries.get(id) ?? 0;
        account.entries.set(id, 0);
        return account.cents;
      },
      balance: ({ cents }) => cents,
    },
    passivate: (account, { key }) => store.set(key, account),
  });
}

/** There is no `await` between the checks and the change, so that no other message runs between them. */
function post(account: AccountState, id: string, change: number): number {
  const known = account.entries.get(id);
  if (known === 0) throw new ActorError('REVERTED', `entry ${id} was reverted`);
  if (known !== undefined) return account.cents;
  if (!account.isOpen) throw new ActorError('NOT_OPEN', 'there is no such account');
  if (account.cents + change < 0) {
    throw new ActorError('OVERDRAWN', `the account holds ${account.cents} cents`, { cents: account.cents });
  }
  account.entries.set(id, change);
  return (account.cents += change);
}
