/** Makes a failing schedule small: fewer faults, then shorter ones. Zeller and Hildebrandt, delta debugging. */
import type { Fault } from '@clstr/testing';

export async function shrink(
  faults: readonly Fault[],
  isFailing: (faults: readonly Fault[]) => Promise<boolean>,
): Promise<readonly Fault[]> {
  return await shorten(await drop(faults, isFailing), isFailing);
}

async function drop(
  faults: readonly Fault[],
  isFailing: (faults: readonly Fault[]) => Promise<boolean>,
): Promise<readonly Fault[]> {
  let left = faults;
  for (let size = Math.ceil(left.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let at = 0; at < left.length;) {
      const fewer = [...left.slice(0, at), ...left.slice(at + size)];
      if (await isFailing(fewer)) left = fewer;
      else at += size;
    }
  }
  return left;
}

async function shorten(
  faults: readonly Fault[],
  isFailing: (faults: readonly Fault[]) => Promise<boolean>,
): Promise<readonly Fault[]> {
  let left = faults;
  for (const [at] of faults.entries()) {
    for (let tries = 0; tries < 6; tries++) {
      const shorter = left.map((fault, i) =>
        i === at ? { ...fault, durationMs: Math.floor(fault.durationMs / 2) } : fault,
      );
      if (shorter[at]!.durationMs === 0 || !(await isFailing(shorter))) break;
      left = shorter;
    }
  }
  return left;
}
