// npm run state: measures what state in JetStream costs, on built packages. See bench; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('bench', !process.argv.includes('--help'), 'state/main.js');
