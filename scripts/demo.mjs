// npm run demo: the counter example on a cluster. See examples/counter; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('examples/counter');
