// npm run bench: runs the measurements on built packages. See bench; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('bench', !process.argv.includes('--help'));
