import { expect, test } from 'vitest';
import { actorName, pathOf } from '../src/actor-name.ts';

test('an actor is named by its type and its key, printable and cut', () => {
  expect(actorName('cell', 'k')).toBe('cell/k');
  expect(actorName('cell', 'k\nFAKE \u001b[2J\u202e')).toBe('cell/k\\u000aFAKE \\u001b[2J\\u202e');
  expect(actorName('cell', 'x'.repeat(1_000))).toBe(`cell/${'x'.repeat(64)}…`);
});

test('a path of calls has one line', () => {
  expect(pathOf(['a/1', 'b/\n', 'a/1'])).toBe('a/1 → b/\\u000a → a/1');
});
