/** Clients that run the workload of a user of the simulator. */
import type { Client } from '@clstr/core';
import type { SeededRandom } from './seeded-random.ts';
import type { World } from './world.ts';

/** One simulated client. Use only its time and randomness, or equal seeds give different runs. */
export interface SimulatedClient {
  readonly client: Client;
  /** The number of the client, from 0. */
  readonly number: number;
  readonly random: {
    /** Returns a number from 0 to below 1. */
    next(): number;
    /** Returns a whole number from `min` to `max`. */
    int(min: number, max: number): number;
    pick<T>(items: readonly T[]): T;
  };
  /** Returns whether the workload should stop. */
  isOver(): boolean;
  /** Waits for `ms` virtual milliseconds. */
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
    client,
    number,
    random,
    isOver: () => world.nowMs >= untilMs,
    sleep: (ms) => world.sleep(ms),
  }).catch((error: unknown) => {
    world.oracle.violated('CHECK', `the workload of client ${number} failed: ${String(error)}`);
  });
}
