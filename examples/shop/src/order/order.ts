/** An order: what a cart holds is reserved, then confirmed, or rejected and released. */
import { isActorError, needs } from '@clstr/actors';
import type { ActorContext, ErrorSchemas } from '@clstr/actors';
import { Cart } from '../cart/contract.ts';
import type { Line } from '../cart/contract.ts';
import { Inventory } from '../inventory/contract.ts';
import { next } from '../store.ts';
import type { Store } from '../store.ts';
import { Order } from './contract.ts';
import type { OrderView } from './contract.ts';

type SoldOut = { readonly sku: string; readonly free: number };
type OrderRecord = OrderView & { readonly soldOut?: SoldOut };

type Context = ActorContext<{ store: Store }, ErrorSchemas>;

export const order = Order.implement({
  services: needs<{ store: Store }>(),
  onError: 'restart',
  setup: (ctx) => ctx.services.store.load<OrderRecord>('order', ctx.key, { status: 'pending', lines: [] }),
  handlers: {
    /** Each step is stored and may run twice: a repeat, on this node or the next owner, goes on where it ended. */
    async place(state, { cartId }, ctx) {
      const { store } = ctx.services;
      if (state.value.status === 'confirmed') return state.value;
      if (state.value.lines.length === 0) {
        const lines = await checkOut(cartId, ctx);
        store.save(ctx.fencingToken, next(state, { status: 'pending', lines }));
      }
      const { lines } = state.value;
      const soldOut = state.value.soldOut ?? (await reserve(lines, ctx));
      if (soldOut === undefined) {
        store.save(ctx.fencingToken, next(state, { status: 'confirmed', lines }));
        return state.value;
      }
      // The decision is stored before the release: a repeat must not reserve again what the release has freed.
      if (state.value.status === 'pending') {
        store.save(ctx.fencingToken, next(state, { status: 'rejected', lines, soldOut }));
      }
      await Promise.all(lines.map(({ sku }) => ctx.ref(Inventory, sku).release({ orderId: ctx.key })));
      throw ctx.fail('SOLD_OUT', soldOut);
    },
    read(state, _input, ctx) {
      if (state.value.lines.length === 0) throw ctx.fail('NOT_FOUND');
      return state.value;
    },
  },
});

async function checkOut(cartId: string, ctx: Context): Promise<readonly Line[]> {
  try {
    return await ctx.ref(Cart, cartId).checkOut({ orderId: ctx.key });
  } catch (error) {
    if (isActorError(error, Cart, 'EMPTY')) throw ctx.fail('CART_EMPTY');
    if (isActorError(error, Cart, 'ORDERED')) throw ctx.fail('CART_ORDERED', error.details);
    throw error;
  }
}

/** Returns the product that is sold out, if one is. */
async function reserve(lines: readonly Line[], ctx: Context): Promise<SoldOut | undefined> {
  for (const { sku, quantity } of lines) {
    try {
      await ctx.ref(Inventory, sku).reserve({ orderId: ctx.key, quantity });
    } catch (error) {
      if (!isActorError(error, Inventory, 'SOLD_OUT')) throw error;
      return { sku, free: error.details.free };
    }
  }
  return undefined;
}
