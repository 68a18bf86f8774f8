// npm run scale: what grows how when a cluster does, on built packages. See docs/scale.md; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('bench', !process.argv.includes('--help'), 'scale/main.js');
