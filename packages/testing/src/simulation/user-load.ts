/** Clients that do what a user of the simulator says. */
import type { Client } from '@clstr/core';
import type { SeededRandom } from './seeded-random.ts';
import type { World } from './world.ts';

/** One simulated client at work. Use nothing but its own time and chance, or equal seeds give different runs. */
export interface SimulatedClient {
  readonly client: Client;
  /** From 0. */
  readonly number: number;
  readonly random: {
    /** From 0 to below 1. */
    next(): number;
    /** A whole number from `min` to `max`. */
    int(min: number, max: number): number;
    pick<T>(items: readonly T[]): T;
  };
  /** Time to stop. */
  isOver(): boolean;
  /** In virtual milliseconds. */
  sleep(ms: number): Promise<void>;
}

export type Workload = (client: SimulatedClient) => Promise<void>;

export function startUserClient(
  world: World,
  workload: Workload,
  own: { client: Client; number: number; random: SeededRandom; spanMs: number },
): void {
  const { client, number, random } = own;
  const untilMs = world.nowMs + own.spanMs;
  workload({
    ...{ client, number, random },
    isOver: () => world.nowMs >= untilMs,
    sleep: (ms) => world.sleep(ms),
  }).catch((error: unknown) => {
    world.oracle.violated('CHECK', `the workload of client ${number} failed: ${String(error)}`);
  });
}
