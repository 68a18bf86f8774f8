// npm run check-history FILE: checks a recorded history of calls. See packages/testing; --help lists the options.
import { runBuilt } from './run-built.mjs';

runBuilt('packages/testing', false, 'check-history.js');
