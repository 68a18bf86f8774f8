/** Reads the databases after a run, without any service, and compares them with what customers were told. */
import { join } from 'node:path';
import type { Level } from '../inventory/contract.ts';
import type { Reservation } from '../inventory/inventory.ts';
import type { OrderView } from '../order/contract.ts';
import { openStore } from '../store.ts';

type Counts = Record<'total' | 'sold' | 'oversold' | 'missing' | 'unreserved', number>;

/** @param confirmed as customers saw them: each must be in the database like that, with a reservation for each line. */
export function audit(folder: string, confirmed: ReadonlyMap<string, OrderView>): Counts {
  const orders = readAll<OrderView>(folder, 'order', 'order');
  const stock = readAll<Level>(folder, 'inventory', 'stock');
  const reservations = readAll<Reservation>(folder, 'inventory', 'reservation');
  const isStored = ([orderId, { lines }]: [string, OrderView]): boolean => {
    const stored = orders.get(orderId);
    return stored?.status === 'confirmed' && JSON.stringify(stored.lines) === JSON.stringify(lines);
  };
  const lines = [...orders]
    .filter(([, { status }]) => status === 'confirmed')
    .flatMap(([orderId, order]) => order.lines.map((line) => ({ orderId, ...line })));
  const soldOf = (sku: string): number =>
    sum(lines.filter((line) => line.sku === sku).map((line) => line.quantity));
  return {
    total: sum([...stock.values()].map(({ total }) => total)),
    sold: sum(lines.map(({ quantity }) => quantity)),
    oversold: sum([...stock].map(([sku, { total }]) => Math.max(0, soldOf(sku) - total))),
    missing: [...confirmed].filter((order) => !isStored(order)).length,
    unreserved: lines.filter(
      (line) => reservations.get(`${line.sku}/${line.orderId}`)?.quantity !== line.quantity,
    ).length,
  };
}

function readAll<T>(folder: string, service: string, kind: string): ReadonlyMap<string, T> {
  const store = openStore(join(folder, `${service}.db`));
  try {
    return store.all<T>(kind);
  } finally {
    store.close();
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}
