/** Writes a new project: the files of `template`, with the project's name and the versions filled in. */
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const HERE = path.dirname(import.meta.dirname);
const TEMPLATE = path.join(HERE, 'template');
/** A name that npm, NATS and file systems all accept. */
const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Writes a project into `folder`, which is new or empty and gives the project its name.
 *
 * @throws an error of one line
 */
export function createProject(folder: string): void {
  const target = path.resolve(folder);
  const name = path.basename(target);
  if (!NAME.test(name)) {
    throw new Error(
      `"${name}" cannot be the name of a project: use lower-case letters, digits and hyphens, a letter first, 63 at most`,
    );
  }
  const found = statSync(target, { throwIfNoEntry: false });
  if (found !== undefined && !found.isDirectory()) throw new Error(`${target} is a file`);
  if (found !== undefined && readdirSync(target).length > 0) throw new Error(`${target} is not empty`);
  const { version } = JSON.parse(readFileSync(path.join(HERE, 'package.json'), 'utf8')) as {
    version: string;
  };
  for (const file of readdirSync(TEMPLATE, { recursive: true, encoding: 'utf8' })) {
    const source = path.join(TEMPLATE, file);
    if (!statSync(source).isFile()) continue;
    const text = readFileSync(source, 'utf8').replaceAll('{{name}}', name).replaceAll('{{version}}', version);
    const written = path.join(target, targetOf(file));
    mkdirSync(path.dirname(written), { recursive: true });
    writeFileSync(written, text);
  }
}

/** Npm packs no .gitignore, and tools would take a package.json, a tsconfig.json or a test in here for their own. */
function targetOf(file: string): string {
  return file.replace(/^_git/, '.git').replace(/\.template$/, '');
}
