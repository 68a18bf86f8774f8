// Runs tasks of the packages through turbo's cache, with its telemetry off: node scripts/turbo.mjs <task…>
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';

const turbo = createRequire(import.meta.url).resolve('turbo/bin/turbo');
const args = [
  'run',
  ...process.argv.slice(2),
  '--output-logs=errors-only',
  '--continue=dependencies-successful',
];
const { status } = spawnSync(process.execPath, [turbo, ...args], {
  cwd: path.dirname(import.meta.dirname),
  stdio: 'inherit',
  env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1' },
});
process.exit(status ?? 1);
