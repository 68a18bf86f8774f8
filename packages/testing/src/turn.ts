/** One turn of the event loop: all microtasks run, and the macrotasks that wait now. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
