/** The stock of a product, whose SKU is the key: the part of the inventory service that others import. */
import { defineActor, request, type } from '@clstr/actors';

export interface Level {
  readonly total: number;
  readonly reserved: number;
}

export const Inventory = defineActor(
  'inventory',
  {
    level: request({ output: type<Level>(), readonly: true }),
    /** Sets how many there are, sold ones included. */
    stock: request({ input: type<{ total: number }>(), output: type<Level>(), idempotent: true }),
    /** One reservation per order: repeating it reserves nothing more. */
    reserve: request({
      input: type<{ orderId: string; quantity: number }>(),
      idempotent: true,
      errors: { SOLD_OUT: type<{ free: number }>(), RELEASED: type<void>() },
    }),
    /** Ends the reservation of an order, and refuses one that arrives later. */
    release: request({ input: type<{ orderId: string }>(), idempotent: true }),
  },
  { service: 'inventory' },
);
