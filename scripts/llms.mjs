// Makes llms.txt, the index for language models, from docs/README.md: run it after you change that page.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.dirname(import.meta.dirname);
const INDEX = 'docs/README.md';
const BASE = 'https://github.com/clstr-ts/clstr/blob/main/';

/** The text of llms.txt (llmstxt.org): a name, a summary, and sections of links that work outside of the repository. */
export function llmsText(index = read(INDEX)) {
  const { description } = JSON.parse(read('package.json'));
  const sections = index.slice(index.indexOf('\n## ') + 1).replaceAll('\n  ', ' ');
  const absolute = sections.replaceAll(
    /\]\(([^)]+)\)/g,
    (_, target) => `](${new URL(target, BASE + INDEX)})`,
  );
  return `# clstr\n\n> ${description}\n\n${absolute}`;
}

function read(file) {
  return readFileSync(path.join(ROOT, file), 'utf8');
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(path.join(ROOT, 'llms.txt'), llmsText());
