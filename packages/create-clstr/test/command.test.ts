/** What the command line accepts, and the one line with which it refuses the rest. */
import { expect, test } from 'vitest';
import { answerTo } from '../src/command.ts';

test.each([
  [[], 'name one folder: npm create clstr my-service'],
  [['a', 'b'], 'name one folder: npm create clstr my-service'],
  [['--force', 'a'], "Unknown option '--force'"],
  [['A'], '"A" cannot be the name of a project'],
  [['test'], 'test is not empty'],
])('answers %j with one line', (args, message) => {
  const { text, isError } = answerTo(args);
  expect(isError).toBe(true);
  expect(text.split('\n')).toEqual([expect.stringContaining(message)]);
  expect(text).toMatch(/^create-clstr: /);
});

test.each(['--help', '-h'])('%s shows the usage', (flag) => {
  expect(answerTo([flag])).toEqual({ text: expect.stringContaining('Usage:') as string, isError: false });
});
