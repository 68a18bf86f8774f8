/** How the cost of work grows with its size, in processor time: a busy machine slows it, and does not change it. */

/** Of each size the cheapest run counts: collections and compilations disturb the others. */
const RUNS = 3;
const FACTOR = 8;

/**
 * How many times the processor time of one item grows when `work` has eight times the items: about 1 for work that is
 * linear, 8 for a square. `prepare` makes what `work` gets, and does not count. The small work is timed eight times in a
 * row, so that both sizes hold as much memory and are collected as often.
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
