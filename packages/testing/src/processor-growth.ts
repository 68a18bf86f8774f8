/** Measures how the cost of work grows with its size, in processor time, which a busy machine does not change. */

/** How often each size runs; the cheapest run counts, because collections and compilations disturb the others. */
const RUNS = 6;
const FACTOR = 8;

/**
 * Returns the factor by which the processor time per item grows when `work` has eight times the items: about 1 for
 * linear work, 8 for quadratic work. `prepare` makes the input of `work`, and is not timed. The small work is timed
 * eight times in a row, so that both sizes hold as much memory and are collected as often.
 */
export async function processorGrowth<T>(
  items: number,
  prepare: (items: number) => T | Promise<T>,
  work: (prepared: T) => unknown,
): Promise<number> {
  const micros = async (size: number, times: number): Promise<number> => {
    const prepared: T[] = [];
    for (let i = 0; i < times; i++) prepared.push(await prepare(size));
    const before = process.cpuUsage();
    for (const one of prepared) await work(one);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  };
  let [few, many] = [Infinity, Infinity];
  for (let run = 0; run < RUNS; run++) {
    few = Math.min(few, await micros(items, FACTOR));
    many = Math.min(many, await micros(FACTOR * items, 1));
  }
  return many / few;
}
