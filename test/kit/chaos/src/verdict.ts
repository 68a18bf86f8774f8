/** What a recorded history proves, read from its file alone. */
import { readFileSync } from 'node:fs';
import { checkCounters, readHistory } from '@clstr/testing/history';
import { describeOperation } from '@clstr/testing/internal';

export interface ChaosVerdict {
  readonly isGood: boolean;
  readonly operations: number;
  readonly acknowledged: number;
  /** The number of increments that may have happened or not. */
  readonly uncertain: number;
  readonly counters: number;
  /** The problems, one sentence each. */
  readonly problems: readonly string[];
}

/**
 * Checks that every counter is linearizable, and that the final value in the store is no less than the acknowledged
 * increments and no more than those that may have happened: the recorder ends each key with a read of the store, so
 * that one check shows both.
 */
export function judgeHistory(file: string): ChaosVerdict {
  const operations = readHistory(readFileSync(file, 'utf8'));
  const verdict = checkCounters(operations);
  const problems = verdict.violations.map(
    ({ key, explanation, operations: shown }) =>
      `${key}: ${explanation} (${shown.map(describeOperation).join('; ')})`,
  );
  const isIncrement = ({ op }: { op: string }): boolean => op === 'increment';
  const stored = new Set(operations.filter((one) => one.process === 'store').map(({ key }) => key));
  for (const key of new Set(operations.filter(isIncrement).map((one) => one.key))) {
    if (!stored.has(key)) problems.push(`${key}: the final value in the store was not read`);
  }
  const count = (outcome: string): number =>
    operations.filter((one) => isIncrement(one) && one.outcome === outcome).length;
  const acknowledged = count('ok');
  if (acknowledged === 0) problems.push('no increment was acknowledged: nothing was tested');
  return {
    isGood: problems.length === 0,
    operations: operations.length,
    acknowledged,
    uncertain: count('unknown'),
    counters: verdict.keys,
    problems,
  };
}
