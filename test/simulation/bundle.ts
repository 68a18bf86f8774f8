/** The simulator and all it runs as one file for worker threads, straight from the sources, or from altered ones. */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Plugin } from 'esbuild';

/** `find` must occur exactly once in `file`, a path from the root of the repository. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Bundle {
  readonly path: string;
  remove(): Promise<void>;
}

const ROOT = rootOf(dirname(fileURLToPath(import.meta.url)));
const CACHE = join(ROOT, 'node_modules/.cache/clstr/simulation');

let bundles = 0;

/** @throws when a patch does not fit the sources any more */
export async function bundleSimulator(patches: readonly Patch[] = []): Promise<Bundle> {
  const path = join(CACHE, `worker-${process.pid}-${++bundles}.mjs`);
  const applied = new Set<Patch>();
  await build({
    entryPoints: [join(ROOT, 'test/simulation/worker.ts')],
    outfile: path,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@clstr/source'],
    logLevel: 'silent',
    plugins: [patching(patches, applied)],
  });
  const missed = patches.filter((patch) => !applied.has(patch));
  if (missed.length > 0) throw new Error(`no such file: ${missed.map(({ file }) => file).join(', ')}`);
  return { path, remove: () => rm(path, { force: true }) };
}

function patching(patches: readonly Patch[], applied: Set<Patch>): Plugin {
  return {
    name: 'patches',
    setup({ onLoad }) {
      if (patches.length === 0) return;
      onLoad({ filter: /packages[\\/][^\\/]+[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
        const file = relative(ROOT, path).replaceAll('\\', '/');
        let contents = await readFile(path, 'utf8');
        for (const patch of patches) {
          if (patch.file !== file) continue;
          const count = contents.split(patch.find).length - 1;
          if (count !== 1) throw new Error(`${file} has "${patch.find}" ${count} times, not once`);
          contents = contents.replace(patch.find, () => patch.replace);
          applied.add(patch);
        }
        return { contents, loader: 'ts' };
      });
    },
  };
}

/** Found upwards, as this file may itself run from a bundle. */
function rootOf(folder: string): string {
  return existsSync(join(folder, 'turbo.json')) ? folder : rootOf(dirname(folder));
}
