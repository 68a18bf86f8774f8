/** The garbage collector at the time of our choosing: figures should not depend on when it comes by itself. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Bytes of heap in use once everything that can go is gone. */
export function heapAfterCollection(): number {
  collect();
  return process.memoryUsage().heapUsed;
}

/** The same, with what buffers hold outside of the heap. Twice: what a finalizer lets go of is gone after the second. */
export function memoryAfterCollection(): number {
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
