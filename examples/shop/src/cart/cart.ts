/** A cart: lines that may change until an order takes them. */
import { needs } from '@clstr/actors';
import { next } from '../store.ts';
import type { Store } from '../store.ts';
import { Cart } from './contract.ts';
import type { Line } from './contract.ts';

type CartRecord = { readonly lines: Line[]; readonly orderId?: string };

export const cart = Cart.implement({
  services: needs<{ store: Store }>(),
  onError: 'restart', // after a failed write the database is right, not the memory
  setup: (ctx) => ctx.services.store.load<CartRecord>('cart', ctx.key, { lines: [] }),
  handlers: {
    put(state, line, ctx) {
      const { lines, orderId } = state.value;
      if (orderId !== undefined) throw ctx.fail('ORDERED', { orderId });
      const changed = [...lines.filter(({ sku }) => sku !== line.sku), line];
      ctx.services.store.save(ctx.fencingToken, next(state, { lines: changed }));
      return changed;
    },
    checkOut(state, { orderId }, ctx) {
      const { lines, orderId: known } = state.value;
      if (known !== undefined && known !== orderId) throw ctx.fail('ORDERED', { orderId: known });
      if (lines.length === 0) throw ctx.fail('EMPTY');
      if (known === undefined) ctx.services.store.save(ctx.fencingToken, next(state, { lines, orderId }));
      return lines;
    },
  },
});
