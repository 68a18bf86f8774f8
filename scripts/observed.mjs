// npm run example:observed: a cluster that prints its own dashboard. See examples/observed.
import { runBuilt } from './run-built.mjs';

runBuilt('examples/observed', false);
