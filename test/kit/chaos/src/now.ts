/** A clock that all processes of a machine share: Linux counts monotonic time from the start of the machine. */

/** The time in milliseconds, with a fraction. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
