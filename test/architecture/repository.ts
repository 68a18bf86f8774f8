/** Reads the repository's TypeScript and the packages' manifests, as the checker wants them. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import type { Files } from './check.ts';

const ROOT = join(import.meta.dirname, '../..');
const TOP = ['packages', 'examples', 'bench', 'test'];
const GENERATED = new Set(['node_modules', 'dist', 'coverage', '.turbo', 'results']);

export function readRepository(): Files {
  const files = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) {
        if (!GENERATED.has(entry.name)) visit(path);
      } else if (/(\.ts|^package\.json)$/.test(entry.name)) {
        files.set(relative(ROOT, path).split(sep).join('/'), readFileSync(path, 'utf8'));
      }
    }
  };
  for (const folder of TOP) visit(join(ROOT, folder));
  return files;
}

/** The pages for readers; decisions tell history, and keep their words. */
export function readPages(): Files {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
  const packages = readdirSync(join(ROOT, 'packages')).map((name) => `packages/${name}/README.md`);
  const paths = ['README.md', 'ARCHITECTURE.md', ...packages, ...docs.map((path) => join('docs', path))];
  const pages = paths.filter((path) => path.endsWith('.md') && !path.includes('decisions'));
  return new Map(pages.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]));
}
