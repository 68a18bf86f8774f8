/** The option `shedding` of a node: off, or when it refuses calls to keep the others fast. */
import { defaults } from '../base/defaults.ts';
import { invalidOption } from '../base/options.ts';
import type { Option, Resolved, Spec } from '../base/spec.ts';
import { milliseconds, option, resolve } from '../base/spec.ts';

export interface SheddingOptions {
  /**
   * How long messages may wait for the node, in milliseconds: for their turn of the event loop, and with `maxRunning` for
   * one of the running handlers to end. Give several times what a handler computes without a pause. Default 20.
   */
  targetMs?: number | undefined;
  /** The node sheds once all messages of such a time have waited for longer, in milliseconds. Default 100. */
  intervalMs?: number | undefined;
}

export const sheddingSpec: Spec<Resolved<SheddingOptions>> = {
  targetMs: milliseconds(1, defaults.sheddingTargetMs),
  intervalMs: milliseconds(1, defaults.sheddingIntervalMs),
};

export const sheddingOption: Option<Resolved<SheddingOptions> | false> = option((owner, name, value) => {
  if (value === false) return value;
  if (typeof value === 'object' && value !== null) {
    return resolve(`${owner}: ${name}`, sheddingSpec, value as SheddingOptions);
  }
  throw invalidOption(owner, name, value, 'false or an object with targetMs and intervalMs');
}, false);
