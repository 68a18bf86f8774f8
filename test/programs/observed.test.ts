/** The built program, as a reader would run it. */
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build, run } from './program.ts';

const FOLDER = join(import.meta.dirname, '../../examples/observed');

beforeAll(() => build(FOLDER), BUILD_TIMEOUT_MS);

test('prints its dashboard every second, and ends by itself', { timeout: 60_000 }, async () => {
  const { code, stdout, stderr } = await run(join(FOLDER, 'dist/main.js'), '--seconds', '2');
  expect([code, stderr]).toEqual([0, '']);
  const pages = stdout.trimEnd().split('\n\n');
  expect(pages).toHaveLength(2);
  for (const page of pages) {
    expect(page).toMatch(/^requests {4}[\d,]{3,}\/s, \d+\/s failed; p50 \d+\.\d\d ms, p99 \d+\.\d\d ms$/m);
    expect(page).toMatch(/^types .*cart\.add [\d,]+\/s, cart\.checkout [\d,]+\/s$/m);
    expect(page).toMatch(/^actors {6}[1-9]\d* in memory/m);
    expect(page).toMatch(/^shards {6}\d+ at one, \d+ at two; \d+ moves so far$/m);
  }
});
