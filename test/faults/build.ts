/** Builds what the node processes run: Node 20 runs no TypeScript. Does nothing where the build is up to date. */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

export function setup(): void {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const folders = ['test/kit/chaos', 'packages/app'].map((name) => join(import.meta.dirname, '../..', name));
  execFileSync(process.execPath, [tsc, '-b', ...folders], { stdio: 'inherit' });
}
