/** Waits for one turn of the event loop, in which all microtasks and the waiting macrotasks run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
