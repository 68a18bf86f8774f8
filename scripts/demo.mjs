// npm run demo: the counter example on a cluster. See examples/counter; --help lists the options.
import { runBuilt } from './run-built.mjs';

// Matches `--transport nats` and `--transport=nats`; a url means that a server is running already.
const args = process.argv.slice(2).join(' ');
runBuilt('examples/counter', /--transport[ =]nats\b/.test(args) && !args.includes('--nats-url'));
