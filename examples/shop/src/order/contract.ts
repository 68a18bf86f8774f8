/** An order, whose id the customer chooses, so that sending it again is harmless: all that the gateway imports. */
import { defineActor, request, type } from '@clstr/actors';
import type { Line } from '../cart/contract.ts';

export interface OrderView {
  readonly status: 'pending' | 'confirmed' | 'rejected';
  readonly lines: readonly Line[];
}

export const Order = defineActor(
  'order',
  {
    /** Resolves once everything is reserved and the confirmed order is stored. */
    place: request({
      input: type<{ cartId: string }>(),
      output: type<OrderView>(),
      idempotent: true,
      errors: {
        SOLD_OUT: type<{ sku: string; free: number }>(),
        CART_EMPTY: type<void>(),
        CART_ORDERED: type<{ orderId: string }>(),
      },
    }),
    read: request({ output: type<OrderView>(), errors: { NOT_FOUND: type<void>() }, readonly: true }),
  },
  { service: 'order' },
);
