/** The actor under load: most calls are quick, some take a while, and a few meet a bug. */
import { setTimeout as pause } from 'node:timers/promises';
import { defineActor, request } from '@clstr/actors';
import type { Actor } from '@clstr/actors';

export const Cart = defineActor('cart', {
  add: request<{ item: string }, number>(),
  checkout: request<void, number>(),
});

export const cart: Actor = Cart.implement({
  setup: () => ({ items: [] as string[] }),
  handlers: {
    add: (state, { item }) => {
      if (item === 'unlucky') throw new Error('nobody expected this item');
      return state.items.push(item);
    },
    checkout: async (state) => {
      await pause(5); // messages for this cart wait in its mailbox meanwhile
      return state.items.splice(0).length;
    },
  },
});
