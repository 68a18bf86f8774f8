/** A customer's cart: the part of the cart service that gateway and order service import. */
import { defineActor, request, type } from '@clstr/actors';

export interface Line {
  readonly sku: string;
  readonly quantity: number;
}

const ORDERED = type<{ orderId: string }>();

export const Cart = defineActor(
  'cart',
  {
    /** Sets the quantity of one product. */
    put: request({ input: type<Line>(), output: type<Line[]>(), errors: { ORDERED }, idempotent: true }),
    /** Closes the cart: its lines belong to this order from now on. */
    checkOut: request({
      input: type<{ orderId: string }>(),
      output: type<Line[]>(),
      idempotent: true,
      errors: { ORDERED, EMPTY: type<void>() },
    }),
  },
  { service: 'cart' },
);
