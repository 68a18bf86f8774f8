// npm run faults: real processes and real faults, one test after the other. `-- --long` runs each as often as required;
// further arguments go to vitest, such as the name of a file.
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { ensureDependencies, ensureNatsServer } from './setup.mjs';

const ROOT = path.dirname(import.meta.dirname);
const given = process.argv.slice(2);
const rest = given.filter((argument) => argument !== '--long');
if (rest.length < given.length) process.env.CLSTR_FAULTS = 'long';
ensureDependencies();
ensureNatsServer();
const vitest = path.join(ROOT, 'node_modules/vitest/vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', '--mode', 'faults', ...rest], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
