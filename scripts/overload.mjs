// npm run overload: gives one node ten times what it can do, on built packages. See bench; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('bench', !process.argv.includes('--help'), 'overload/main.js');
