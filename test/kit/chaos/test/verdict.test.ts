/** What a file of calls proves and refutes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHistory } from '@clstr/testing/history';
import { expect, onTestFinished, test } from 'vitest';
import { judgeHistory } from '../src/verdict.ts';
import type { ChaosVerdict } from '../src/verdict.ts';

/** Increments that answered these values, undefined for an unknown end, and what is stored in the end. */
function judge(values: readonly (number | undefined)[], stored: number | undefined): ChaosVerdict {
  const folder = mkdtempSync(join(tmpdir(), 'clstr-verdict-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  let text = '';
  const history = createHistory({ onLine: (line) => (text += line) });
  let at = 0;
  for (const value of values) {
    const id = history.invoke({ process: 'client-1', key: 'k', op: 'increment' }, ++at);
    history.complete(id, value === undefined ? { outcome: 'unknown' } : { outcome: 'ok', value }, ++at);
  }
  if (stored !== undefined) {
    const id = history.invoke({ process: 'store', key: 'k', op: 'get' }, ++at);
    history.complete(id, { outcome: 'ok', value: stored }, ++at);
  }
  const file = join(folder, 'history.jsonl');
  writeFileSync(file, text);
  return judgeHistory(file);
}

test('acknowledged increments are stored, and unknown ones may be', () => {
  expect(judge([1, 2], 2)).toMatchObject({ isGood: true, acknowledged: 2, uncertain: 0, counters: 1 });
  expect(judge([1, undefined], 1).isGood).toBe(true);
  expect(judge([1, undefined], 2).isGood).toBe(true);
});

test('a lost increment, one that was counted twice, and one that answered twice are problems', () => {
  expect(judge([1, 2], 1).problems).toEqual([expect.stringContaining('k: ')]);
  expect(judge([1], 2).problems).toEqual([expect.stringContaining('at most 1 increments took effect')]);
  expect(judge([1, 1], 2).problems).toEqual([expect.stringContaining('answered the same')]);
});

test('a history without an acknowledged increment, or without a final read, proves nothing', () => {
  expect(judge([undefined], 0).problems).toEqual([expect.stringContaining('nothing was tested')]);
  expect(judge([1], undefined).problems).toEqual(['k: the final value in the store was not read']);
});
