/** The pause before a failed step is tried again. */
import { defaults } from './defaults.ts';

/** The pause in milliseconds; it doubles with each of the earlier `failures`, up to a bound. */
export function backoffMs(failures: number): number {
  return Math.min(defaults.maxBackoffMs, defaults.firstBackoffMs * 2 ** failures);
}
