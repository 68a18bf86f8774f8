/** How the cost of work grows with its size, in processor time: a busy machine slows it, and does not change it. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
/** What was made before must not be collected, or moved, while the work runs. */
const collect = runInNewContext('gc') as () => void;

/** Of each size the cheapest run counts: collections and compilations disturb the others. */
const RUNS = 5;

/**
 * The processor time of `work(4 * n)` over that of `work(n)`: about 4 for work that is linear, 16 for a square. `prepare`
 * makes what `work` gets, and does not count.
 */
export async function processorGrowth<T>(
  n: number,
  prepare: (n: number) => T | Promise<T>,
  work: (prepared: T) => unknown,
): Promise<number> {
  const least = async (size: number): Promise<number> => {
    let leastMicros = Infinity;
    for (let run = 0; run < RUNS; run++) {
      const prepared = await prepare(size);
      collect();
      const before = process.cpuUsage();
      await work(prepared);
      const { user, system } = process.cpuUsage(before);
      leastMicros = Math.min(leastMicros, user + system);
    }
    return leastMicros;
  };
  await least(n);
  return (await least(4 * n)) / (await least(n));
}
