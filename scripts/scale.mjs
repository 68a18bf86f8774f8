// npm run scale: measures how costs grow with a cluster, on built packages. See docs/scale.md; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('bench', !process.argv.includes('--help'), 'scale/main.js');
