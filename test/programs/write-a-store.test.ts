/** The store of docs/how-to/write-a-store.md, and its test, as a reader saves and runs them. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { blocksOf } from './blocks.ts';
import { BUILD_TIMEOUT_MS, build } from './program.ts';
import { ROOT } from './readme.ts';
import { plainEnvironment } from './terminal.ts';

const PAGE = join(ROOT, 'docs/how-to/write-a-store.md');

beforeAll(() => {
  build(join(ROOT, 'packages/conformance'));
}, BUILD_TIMEOUT_MS);

test('the store of the page passes its suite, with one theme skipped', { timeout: 180_000 }, async () => {
  // Outside of the repository, whose settings a reader has not.
  const folder = mkdtempSync(join(tmpdir(), 'clstr-write-a-store-'));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
  try {
    for (const { file, text } of blocksOf(readFileSync(PAGE, 'utf8'))) {
      if (file !== undefined) writeFileSync(join(folder, file), text);
    }
    expect(readdirSync(folder).sort()).toEqual(['file-store.test.ts', 'file-store.ts', 'node_modules']);
    const { code, output } = await vitest(folder);
    expect(code, output).toBe(0);
    expect(output).toMatch(/Tests\s+\d{2} passed \| 9 skipped/);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

function vitest(cwd: string): Promise<{ code: number | null; output: string }> {
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  const program = join(dirname(manifest), 'vitest.mjs');
  const env = { ...plainEnvironment(), NO_COLOR: '1' };
  return new Promise((resolve) => {
    const options = { cwd, env, timeout: 150_000 };
    const child = execFile(process.execPath, [program, 'run'], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, output: stdout + stderr });
    });
  });
}
