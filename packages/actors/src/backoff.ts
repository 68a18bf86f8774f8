/** The pause before something that failed is tried again. */
import { defaults } from './defaults.ts';

/** Doubles with each of the `failures` before this one, up to a bound; in milliseconds. */
export function backoffMs(failures: number): number {
  return Math.min(defaults.maxBackoffMs, defaults.firstBackoffMs * 2 ** failures);
}
