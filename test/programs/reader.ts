/** What the reader of a page does with its programs: saves them under their names, and runs vitest. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { blocksOf } from './blocks.ts';
import { ROOT } from './readme.ts';
import { plainEnvironment } from './terminal.ts';

export interface TestRun {
  /** The names of the programs that were saved. */
  readonly files: readonly string[];
  readonly code: number | null;
  readonly output: string;
}

/** Saves the programs of a page that have a name, and runs vitest on them. */
export async function runTestsOf(page: string): Promise<TestRun> {
  // Outside of the repository, whose settings a reader has not.
  const folder = mkdtempSync(join(tmpdir(), 'clstr-page-'));
  try {
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'), 'junction');
    const programs = blocksOf(readFileSync(join(ROOT, page), 'utf8')).filter(
      ({ file }) => file !== undefined,
    );
    for (const { file, text } of programs) writeFileSync(join(folder, file!), text);
    return { files: programs.map(({ file }) => file!), ...(await vitest(folder)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function vitest(cwd: string): Promise<{ code: number | null; output: string }> {
  const manifest = createRequire(import.meta.url).resolve('vitest/package.json');
  const program = join(dirname(manifest), 'vitest.mjs');
  const options = { cwd, env: { ...plainEnvironment(), NO_COLOR: '1' }, timeout: 150_000 };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [program, 'run'], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, output: stdout + stderr });
    });
  });
}
