/** Holds docs/api against the declarations that it is made from. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');

test('docs/api is what TypeDoc makes of the packages', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'clstr-api-'));
  try {
    execFileSync(process.execPath, [join(ROOT, 'scripts/api.mjs'), '--out', folder], { cwd: ROOT });
    const made = pagesIn(folder);
    const kept = pagesIn(join(ROOT, 'docs/api'));
    const stale = [...new Set([...made.keys(), ...kept.keys()])].filter(
      (page) => made.get(page) !== kept.get(page),
    );
    expect(stale, 'out of date: "npm run docs" rewrites them').toEqual([]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

function pagesIn(folder: string): Map<string, string> {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.md'),
  );
  return new Map(pages.map((path) => [path, readFileSync(join(folder, path), 'utf8')]));
}
