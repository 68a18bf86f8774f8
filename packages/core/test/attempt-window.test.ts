import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttemptWindow } from '../src/internal/attempt-window.ts';

const WINDOW = 8_192;
const SESSIONS = 1_024;

test('admits an attempt once', () => {
  const window = new AttemptWindow();
  expect([1, 2, 1, 2, 3, 1].map((attempt) => window.admit(7, attempt))).toEqual([
    true,
    true,
    false,
    false,
    true,
    false,
  ]);
});

test('keeps sessions apart, however they take turns', () => {
  const window = new AttemptWindow();
  for (const session of [7, 8, 7, 9, 8]) window.admit(session, session);
  for (const session of [7, 8, 9]) expect(window.admit(session, session)).toBe(false);
  for (const session of [7, 8, 9]) expect(window.admit(session, 100)).toBe(true);
});

test('remembers the last 8,192 attempts of a session, in any order of arrival', () => {
  fc.assert(
    fc.property(
      fc.nat({ max: 2 ** 40 }),
      fc.array(fc.nat({ max: WINDOW - 1 }), { maxLength: 50 }),
      (from, ids) => {
        const window = new AttemptWindow();
        const seen = new Set<number>();
        for (const id of ids) {
          expect(window.admit(5, 1 + from + id)).toBe(!seen.has(id));
          seen.add(id);
        }
      },
    ),
  );
});

test('forgets an attempt only after one 8,192 later', () => {
  const window = new AttemptWindow();
  for (let attempt = 1; attempt <= WINDOW; attempt++) expect(window.admit(5, attempt)).toBe(true);
  expect(window.admit(5, 1)).toBe(false);
  expect(window.admit(5, WINDOW + 1)).toBe(true);
  expect(window.admit(5, 2)).toBe(false);
  expect(window.admit(5, 1)).toBe(true);
});

test('takes the largest attempt and session ids', () => {
  const window = new AttemptWindow();
  const largest = Number.MAX_SAFE_INTEGER;
  expect([window.admit(largest, largest), window.admit(largest, largest)]).toEqual([true, false]);
});

test('remembers 1,024 sessions and forgets the one unused for longest', () => {
  const window = new AttemptWindow();
  for (let session = 1; session <= SESSIONS; session++) window.admit(session, 1);
  window.admit(1, 2); // session 2 is now the one unused for longest
  window.admit(SESSIONS + 1, 1);
  expect(window.admit(1, 1)).toBe(false);
  expect(window.admit(3, 1)).toBe(false);
  expect(window.admit(2, 1)).toBe(true);
});
