// npm run example:shop: a shop of several services under load, with a crash. See examples/shop.
import { runBuilt } from './run-built.mjs';

runBuilt('examples/shop', true);
