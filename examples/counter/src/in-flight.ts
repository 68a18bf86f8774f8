/** Runs many tasks, a fixed number of them at a time. */

/** Calls `task` with 0 to `count - 1`. Rejects with the first failure; tasks not yet started then stay undone. */
export async function inFlight(
  count: number,
  width: number,
  task: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await task(next++);
  };
  try {
    await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
  } finally {
    next = count;
  }
}
