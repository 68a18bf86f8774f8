import { expect, test } from 'vitest';
import { startProgress } from '../src/progress.ts';
import { collectOutput } from './collected-output.ts';

test('prints a line per quarter where there is no terminal', () => {
  const output = collectOutput();
  const progress = startProgress(10, output.stream);
  for (let done = 1; done <= 10; done++) progress.update(done);
  progress.stop();
  expect(output.text()).toBe('3 of 10 requests\n5 of 10 requests\n8 of 10 requests\n10 of 10 requests\n');
});

test('draws a bar on a terminal, and gives the cursor back', () => {
  const output = collectOutput({ isTTY: true });
  const progress = startProgress(2_000, output.stream);
  progress.update(2_000);
  progress.stop();
  expect(output.text()).toContain('100 % | 2,000 of 2,000 requests');
  expect(output.text()).toContain('\x1B[?25h');
});
