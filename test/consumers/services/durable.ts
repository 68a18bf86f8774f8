// Durable actors of both kinds, from the packed packages.
import { defineActor, request } from '@clstr/actors';
import { durableState, eventSourced } from '@clstr/durable';

export const Account = defineActor('account', {
  deposit: request<{ cents: number }, number>(),
  close: request<void, void>(),
});

export const account = Account.implement({
  durable: durableState({ initial: () => ({ cents: 0 }) }),
  handlers: {
    deposit: (state, { cents }) => (state.cents += cents),
    close: (_state, _input, ctx) => ctx.erase(),
  },
});

export const ledger = Account.implement({
  durable: eventSourced({
    initial: () => ({ cents: 0 }),
    events: { deposited: (state, { cents }: { cents: number }) => ({ cents: state.cents + cents }) },
  }),
  handlers: {
    deposit: (_state, { cents }, ctx) => ctx.emit('deposited', { cents }).cents,
    close: (_state, _input, ctx) => ctx.erase(),
  },
});
