// Sets up, builds one program with its packages, and becomes it: arguments, signals and exit code pass through.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { ensureDependencies, ensureNatsServer } from './setup.mjs';

const ROOT = path.dirname(import.meta.dirname);

/** Builds the project in `folder` and runs `main` of its dist; `needsNats` if that starts a nats-server. */
export function runBuilt(folder, needsNats, main = 'main.js') {
  const program = path.join(ROOT, folder, 'dist', main);
  ensureDependencies();
  if (needsNats) ensureNatsServer();
  if (!existsSync(program)) console.error(`building ${folder}`);
  build(folder);
  const child = spawn(process.execPath, [program, ...process.argv.slice(2)], { stdio: 'inherit' });
  // Ctrl-C in a terminal reaches the child by itself (same process group); it must not end this process first.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // A SIGTERM to npm ends its shell, which passes nothing on: without this check the program would run for ever.
  const parent = process.ppid;
  const watch = process.env.npm_lifecycle_event && setInterval(stopWithoutParent, 250).unref();
  function stopWithoutParent() {
    if (process.ppid === parent) return;
    clearInterval(watch);
    child.kill('SIGTERM');
  }
  child.on('error', (error) => {
    console.error(error.message);
    process.exit(1);
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/** Runs tsc rather than turbo: if nothing changed, it takes a fraction of a second. */
function build(folder) {
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const { status } = spawnSync(process.execPath, [tsc, '-b', path.join(ROOT, folder)], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
