// npm run simulate: clusters on virtual time with seeded faults, straight from the sources; --help lists the options.
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = path.dirname(import.meta.dirname);
const OUTPUT = path.join(ROOT, 'node_modules/.cache/clstr/simulation/main.mjs');

await build({
  entryPoints: [path.join(ROOT, 'test/simulation/main.ts')],
  outfile: OUTPUT,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  conditions: ['@clstr/source'],
  // The simulation bundles itself with esbuild for its threads.
  external: ['esbuild'],
});
await import(pathToFileURL(OUTPUT).href);
