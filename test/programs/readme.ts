/** The programs of a page, such as a README, as files that Node runs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { codeBlocksOf } from '../docs/markdown.ts';
import { build } from './program.ts';

const ROOT = join(import.meta.dirname, '../..');
/** Below the root's `node_modules`, so that the packages are found. */
const FOLDER = join(ROOT, 'node_modules/.cache/clstr-readme');
/** Where README's programs expect their server. */
const SERVER = 'nats://127.0.0.1:4222';

export function buildPackages(): void {
  for (const name of ['app', 'transport-memory', 'transport-nats']) build(join(ROOT, 'packages', name));
}

export interface ReadmeProgram {
  /** Of the section it stands in. */
  readonly title: string;
  readonly text: string;
  /** Writes it, with changes, as JavaScript; gives the path. */
  write(name?: string, change?: (text: string) => string): string;
}

/** With their server at `url`. */
export function readmePrograms(url: string, page = 'README.md'): ReadmeProgram[] {
  const markdown = readFileSync(join(ROOT, page), 'utf8');
  return codeBlocksOf(markdown)
    .filter(({ info }) => info === 'ts')
    .map(({ text, line }) => {
      const before = markdown.split('\n').slice(0, line);
      const title = before.findLast((each) => /^#+ /.test(each))?.replace(/^#+ /, '') ?? '';
      return {
        title,
        text,
        write: (name = `line-${line}`, change = (same) => same) => {
          const source = change(text).replaceAll(SERVER, url);
          const { outputText } = ts.transpileModule(source, {
            compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
          });
          mkdirSync(FOLDER, { recursive: true });
          const path = join(FOLDER, `${page.replaceAll('/', '-')}-${name}-${process.pid}.mjs`);
          writeFileSync(path, outputText);
          return path;
        },
      };
    });
}
