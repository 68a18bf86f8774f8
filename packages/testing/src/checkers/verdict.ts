/** The verdict on a history: for each key, whether one serial order explains all answers. */
import type { Operation } from './operation.ts';

export interface Violation {
  readonly key: string;
  /** One sentence. */
  readonly explanation: string;
  /** The operations in the contradiction, as few as possible. */
  readonly operations: readonly Operation[];
}

export interface Verdict {
  /** `undecided`: no violation was found, but the search gave up on some key. */
  readonly kind: 'linearizable' | 'violation' | 'undecided';
  readonly keys: number;
  readonly operations: number;
  /** One violation for each key that has any. */
  readonly violations: readonly Violation[];
  readonly undecidedKeys: readonly string[];
}

export type KeyVerdict = 'linearizable' | 'undecided' | Omit<Violation, 'key'>;

export function combineVerdicts(keys: ReadonlyMap<string, readonly Operation[]>, check: KeyCheck): Verdict {
  const violations: Violation[] = [];
  const undecidedKeys: string[] = [];
  let operations = 0;
  for (const [key, ofKey] of keys) {
    operations += ofKey.length;
    const verdict = check(ofKey);
    if (verdict === 'undecided') undecidedKeys.push(key);
    else if (verdict !== 'linearizable') violations.push({ key, ...verdict });
  }
  const kind = violations.length > 0 ? 'violation' : undecidedKeys.length > 0 ? 'undecided' : 'linearizable';
  return { kind, keys: keys.size, operations, violations, undecidedKeys };
}

type KeyCheck = (operations: readonly Operation[]) => KeyVerdict;
