/** One clock for all processes of a machine: Linux counts its monotonic time from the start of the machine. */

/** In milliseconds, with a fraction. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
