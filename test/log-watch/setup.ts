/** Watches the log lines of each test file, and fails it if one of them holds what no line may hold. */
import { afterAll, expect } from 'vitest';
import { LogWatch } from './watch.ts';

const watch = new LogWatch();

Object.assign(globalThis, {
  clstrLogWatch: {
    line: (level: string, fields: object, message?: string) => watch.line(level, fields, message),
    payload: (value: unknown) => watch.payload(value),
  },
});

afterAll(() => {
  expect(watch.problems).toEqual([]);
});
