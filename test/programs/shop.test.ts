/** The shop as its reader runs it, for a shorter time. */
import { join } from 'node:path';
import { hasNatsServer } from '@clstr/testing/nats';
import { beforeAll, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build, run } from './program.ts';

const FOLDER = join(import.meta.dirname, '../../examples/shop');
const COUNT = /^sold (\d+) of 400, oversold 0, confirmed orders missing 0, HTTP errors (\d+)$/m;

beforeAll(() => build(FOLDER), BUILD_TIMEOUT_MS);

test.skipIf(!hasNatsServer())(
  'sells nothing twice and loses no order, although a node is killed and another restarted',
  { timeout: 60_000 },
  async () => {
    const { code, stdout, stderr } = await run(join(FOLDER, 'dist/main.js'), '--seconds', '5');
    expect(stderr).toBe('');
    expect(stdout).toMatch(COUNT);
    const [, sold, httpErrors] = COUNT.exec(stdout)!;
    expect(Number(sold)).toBeGreaterThan(20);
    // The calls of a killed node are repeated within their deadline: customers notice nothing.
    expect(stdout).not.toMatch(/^PUT /m);
    expect(Number(httpErrors)).toBe(0);
    expect(stdout).toMatch(/, 0 unanswered, 0 lines unreserved$/m);
    expect(code).toBe(0);
  },
);
