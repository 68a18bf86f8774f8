import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttemptWindow } from '../../src/node/attempt-window.ts';

const WINDOW = 8_192;
const CLIENTS = 1_024;

test('admits an attempt once', () => {
  const window = new AttemptWindow();
  expect([1, 2, 1, 2, 3, 1].map((attempt) => window.admit(7, attempt, undefined, 0))).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
  ]);
});

test('keeps clients apart in any order of turns', () => {
  const window = new AttemptWindow();
  for (const client of [7, 8, 7, 9, 8]) window.admit(client, client, undefined, 0);
  for (const client of [7, 8, 9]) expect(window.admit(client, client, undefined, 0)).toBe(false);
  for (const client of [7, 8, 9]) expect(window.admit(client, 100, undefined, 0)).toBe(true);
});

test('remembers the last 8,192 attempts of a client, in any order of arrival', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 40 }),
      fc.array(fc.nat({ max: WINDOW - 1 }), { maxLength: 50 }),
      (from, ids) => {
        const window = new AttemptWindow();
        const seen = new Set<number>();
        for (const id of ids) {
          expect(window.admit(5, 1 + from + id, undefined, 0)).toBe(!seen.has(id));
          seen.add(id);
        }
      },
    ),
  );
});

test('forgets an attempt only after one 8,192 later', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 40 }), (from) => {
      const window = new AttemptWindow();
      const first = 1 + from;
      for (let i = 0; i <= WINDOW; i++) expect(window.admit(5, first + i, undefined, 0)).toBe(true);
      expect(window.admit(5, first + 1, undefined, 0)).toBe(false);
      window.admit(5, first + WINDOW + 32, undefined, 0);
      expect(window.admit(5, first, undefined, 0)).toBe(true);
    }),
    { numRuns: 20 },
  );
});

test('takes the largest attempt and client ids', () => {
  const window = new AttemptWindow();
  const largest = Number.MAX_SAFE_INTEGER;
  expect([
    window.admit(largest, largest, undefined, 0),
    window.admit(largest, largest, undefined, 0),
  ]).toEqual([true, false]);
});

test('remembers 1,024 clients and forgets the one unused for longest', () => {
  const window = new AttemptWindow();
  for (let client = 1; client <= CLIENTS; client++) window.admit(client, 1, undefined, 0);
  window.admit(1, 2, undefined, 0); // client 2 is now the one unused for longest
  window.admit(CLIENTS + 1, 1, undefined, 0);
  expect(window.admit(1, 1, undefined, 0)).toBe(false);
  expect(window.admit(3, 1, undefined, 0)).toBe(false);
  expect(window.admit(2, 1, undefined, 0)).toBe(true);
});

test('a made-up client id evicts only the previous client id of the same inbox', () => {
  const window = new AttemptWindow();
  for (const inbox of ['a', 'b']) window.admit(inbox.charCodeAt(0), 1, inbox, 0);
  for (let client = 1_001; client <= 1_000 + 2 * CLIENTS; client++) window.admit(client, 1, 'forger', 0);
  expect(window.admit(97, 1, 'a', 0)).toBe(false);
  expect(window.admit(98, 1, 'b', 0)).toBe(false);
  expect(window.admit(1_000 + 2 * CLIENTS, 1, 'forger', 0)).toBe(false);
  expect(window.admit(1_001, 1, 'forger', 0)).toBe(true);
});

test('an attempt is known whatever inbox its copy names', () => {
  const window = new AttemptWindow();
  window.admit(7, 1, 'a', 0);
  expect(window.admit(7, 1, 'b', 0)).toBe(false);
});

test('forgets a client that was idle for a minute, and none that is in use', () => {
  const window = new AttemptWindow();
  window.admit(7, 1, 'a', 0);
  window.admit(8, 1, 'b', 0);
  for (let second = 1; second <= 70; second++) window.admit(8, 1 + second, 'b', second * 1_000);
  expect(window.admit(8, 1, 'b', 70_000)).toBe(false);
  expect(window.admit(7, 1, 'a', 70_000)).toBe(true);
});

test('forgets a client that comes back after a minute as the first of all', () => {
  const window = new AttemptWindow();
  window.admit(7, 1, 'a', 0);
  expect(window.admit(7, 1, 'a', 59_000)).toBe(false);
  expect(window.admit(7, 1, 'a', 119_000)).toBe(true);
});
