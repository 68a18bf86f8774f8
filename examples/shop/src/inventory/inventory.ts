/** The stock of a product, and what each order has reserved of it. */
import { needs } from '@clstr/actors';
import { next } from '../store.ts';
import type { Document, Store } from '../store.ts';
import { Inventory } from './contract.ts';
import type { Level } from './contract.ts';

/** What an order has reserved of a product; 0 after its release. */
export type Reservation = { readonly quantity?: number };

export const inventory = Inventory.implement({
  services: needs<{ store: Store }>(),
  onError: 'restart',
  setup: (ctx) => ctx.services.store.load<Level>('stock', ctx.key, { total: 0, reserved: 0 }),
  handlers: {
    level: (state) => state.value,
    stock(state, { total }, ctx) {
      ctx.services.store.save(ctx.fencingToken, next(state, { ...state.value, total }));
      return state.value;
    },
    reserve(state, { orderId, quantity }, ctx) {
      const { store } = ctx.services;
      const { total, reserved } = state.value;
      const reservation = reservationOf(store, ctx.key, orderId);
      if (reservation.value.quantity === 0) throw ctx.fail('RELEASED');
      if (reservation.value.quantity !== undefined) return;
      if (quantity > total - reserved) throw ctx.fail('SOLD_OUT', { free: total - reserved });
      const level = next(state, { total, reserved: reserved + quantity });
      store.save(ctx.fencingToken, level, next(reservation, { quantity }));
    },
    release(state, { orderId }, ctx) {
      const { store } = ctx.services;
      const reservation = reservationOf(store, ctx.key, orderId);
      const reserved = state.value.reserved - (reservation.value.quantity ?? 0);
      const level = next(state, { ...state.value, reserved });
      store.save(ctx.fencingToken, level, next(reservation, { quantity: 0 }));
    },
  },
});

function reservationOf(store: Store, sku: string, orderId: string): Document<Reservation> {
  return store.load<Reservation>('reservation', `${sku}/${orderId}`, {});
}
