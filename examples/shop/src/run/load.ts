/** Customers: each fills a cart and orders it, again and again, and remembers the answers. */
import { setTimeout as pause } from 'node:timers/promises';
import type { OrderView } from '../order/contract.ts';

export interface LoadResult {
  readonly confirmed: Map<string, OrderView>;
  soldOut: number;
  /** Orders that are neither, after MAX_TRIES. */
  unanswered: number;
  /** Responses 5xx and broken connections; such requests are sent again. */
  httpErrors: number;
}

type Answer = { readonly status: number; readonly body: unknown };

const MAX_TRIES = 5;
const PAUSE_MS = 50;

type LoadOptions = { readonly customers: number; readonly skus: readonly string[]; readonly untilMs: number };

export async function runLoad(url: string, { customers, skus, untilMs }: LoadOptions): Promise<LoadResult> {
  const result: LoadResult = { confirmed: new Map(), soldOut: 0, unanswered: 0, httpErrors: 0 };
  const put = (path: string, body: object): Promise<Answer> => send(`${url}/${path}`, body, result);
  // Some products are more popular than others, and sold out first.
  const pick = (): string => skus[Math.floor(Math.random() ** 2 * skus.length)]!;

  const shopFor = async (name: string): Promise<void> => {
    for (const sku of new Set([pick(), pick()])) {
      await put(`carts/cart-${name}/items/${sku}`, { quantity: 1 + Math.floor(Math.random() * 3) });
    }
    const { status, body } = await put(`orders/order-${name}`, { cartId: `cart-${name}` });
    if (status === 200) result.confirmed.set(`order-${name}`, body as OrderView);
    else if ((body as { code?: string }).code === 'SOLD_OUT') result.soldOut++;
    else result.unanswered++;
  };
  await Promise.all(
    Array.from({ length: customers }, async (_, customer) => {
      for (let n = 0; performance.now() < untilMs; n++) {
        await shopFor(`${customer}-${n}`);
        await pause(PAUSE_MS);
      }
    }),
  );
  return result;
}

/** Repeats a request that the shop did not answer: with the same ids, that is harmless. */
export async function send(url: string, body: object, errors: { httpErrors: number }): Promise<Answer> {
  const headers = { 'content-type': 'application/json' };
  let answer: Answer = { status: 0, body: {} };
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    try {
      const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify(body) });
      answer = { status: response.status, body: await response.json() };
      if (answer.status < 500) break;
    } catch (error) {
      answer = { status: 0, body: String(error) };
    }
    errors.httpErrors++;
    console.log(`PUT ${new URL(url).pathname}: ${answer.status} ${JSON.stringify(answer.body)}`);
    await pause(PAUSE_MS);
  }
  return answer;
}
