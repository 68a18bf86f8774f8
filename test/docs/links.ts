/** Finds relative links that lead nowhere. */
import { posix } from 'node:path';
import { anchorsOf, linksOf } from './markdown.ts';

/** `files` are Markdown files with their text, and all other files with anything. */
export function brokenLinks(path: string, files: ReadonlyMap<string, string>): string[] {
  return linksOf(files.get(path)!).flatMap(({ target, line }) => {
    const problem = problemOf(path, target, files);
    return problem === undefined ? [] : [`${path}:${line} links to ${target}: ${problem}`];
  });
}

/** Pages that npm shows link to the repository by its address: such a link is a path too. */
export const REPOSITORY = 'https://github.com/clstr-ts/clstr';
const OWN_PAGE = new RegExp(`^${REPOSITORY}/(?:blob|tree)/main/`);

function problemOf(from: string, target: string, files: ReadonlyMap<string, string>): string | undefined {
  if (OWN_PAGE.test(target)) return problemOf('README.md', target.replace(OWN_PAGE, ''), files);
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [file = '', anchor] = target.split('#');
  if (file.startsWith('/')) return 'write it relative to this file';
  const path = file === '' ? from : posix.join(posix.dirname(from), decodeURI(file)).replace(/\/$/, '');
  if (path.startsWith('..')) return 'it leaves the repository';
  const isFolder = path === '.' || [...files.keys()].some((other) => other.startsWith(`${path}/`));
  if (!files.has(path) && !isFolder) return `there is no ${path}`;
  if (anchor === undefined || !path.endsWith('.md')) return undefined;
  return anchorsOf(files.get(path)!).has(anchor) ? undefined : `${path} has no heading for #${anchor}`;
}
