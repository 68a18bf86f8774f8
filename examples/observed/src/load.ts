/** Calls the carts from many sides at once, until it is stopped. */
import type { App } from '@clstr/app';
import { Cart } from './cart.ts';

const WORKERS = 32;
const CARTS = 500;

export function startLoad(app: App): { stop(): Promise<void> } {
  let isStopped = false;
  let calls = 0;
  const call = (): Promise<unknown> => {
    const cart = app.ref(Cart, `cart-${calls % CARTS}`);
    calls++;
    if (calls % 50 === 0) return cart.checkout();
    return cart.add({ item: calls % 2_001 === 0 ? 'unlucky' : 'apple' });
  };
  const work = async (): Promise<void> => {
    // The dashboard shows failures; the load goes on.
    while (!isStopped) await call().catch(() => undefined);
  };
  const workers = Array.from({ length: WORKERS }, work);
  return {
    stop: async () => {
      isStopped = true;
      await Promise.all(workers);
    },
  };
}
