// Makes a fresh clone ready: installs dependencies when they do not match the lock file and,
// with --nats, --redis, --prometheus and --postgres, makes sure of these servers. Plain Node: it runs before anything is
// installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { installHint, findNatsServer } from './nats-server.mjs';

const ROOT = path.dirname(import.meta.dirname);
const LOCK = path.join(ROOT, 'package-lock.json');
const INSTALLED_LOCK = path.join(ROOT, 'node_modules/.package-lock.json');
const STAMP = path.join(ROOT, 'node_modules/.clstr-setup');

/** Installs with `npm ci` unless node_modules already matches package-lock.json. */
export function ensureDependencies() {
  const lock = readFileSync(LOCK);
  const stamp = `${createHash('sha256').update(lock).digest('hex')} node-${process.versions.modules}\n`;
  const isStamped = existsSync(STAMP) && readFileSync(STAMP, 'utf8') === stamp;
  const wanted = JSON.parse(lock.toString()).packages;
  if (isStamped && existsSync(INSTALLED_LOCK) && isOnDisk(wanted)) return;
  // A user may have installed by hand: compare before replacing the folder.
  if (existsSync(INSTALLED_LOCK) && isInstalled(wanted) && isOnDisk(wanted)) {
    writeFileSync(STAMP, stamp);
    return;
  }
  say('installing dependencies (npm ci)');
  // Includes the development tools even if NODE_ENV=production.
  const { status, error } = npm(['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  if (status !== 0) fail(`npm ci failed${error ? `: ${error.message}` : ` with exit code ${status}`}`);
  writeFileSync(STAMP, stamp);
}

/** True when npm's record of what it installed lists the same packages as the lock file. */
function isInstalled(wanted) {
  let installed;
  try {
    installed = JSON.parse(readFileSync(INSTALLED_LOCK, 'utf8')).packages;
  } catch {
    return false;
  }
  const isSame = (a, b) => a.version === b.version && a.integrity === b.integrity && a.link === b.link;
  return (
    Object.keys(installed).every((key) => key in wanted) &&
    dependencies(wanted).every(([key, entry]) =>
      installed[key] ? isSame(entry, installed[key]) : entry.optional,
    )
  );
}

/** True when every package is where it belongs, which finds a folder deleted by hand. */
function isOnDisk(wanted) {
  return dependencies(wanted).every(
    ([key, entry]) => entry.optional || existsSync(path.join(ROOT, key, 'package.json')),
  );
}

/** The entries below some node_modules: not the root, not the workspaces themselves. */
function dependencies(packages) {
  return Object.entries(packages).filter(([key]) => key.includes('node_modules/'));
}

/** Installs nats-server if this process may use apt-get; otherwise says how to install it. */
export function ensureNatsServer() {
  let found = findNatsServer();
  if (!found.path && !found.error && installWithApt('nats-server')) found = findNatsServer();
  if (found.path) return;
  if (found.error) fail(found.error);
  missing(`nats-server was not found (NATS_SERVER_BIN, then PATH).\n${installHint()}`, 'NATS');
}

/** Does the same for Redis, over which one of the examples runs. */
function ensureRedisServer() {
  const isFound = () => spawnSync('redis-server', ['--version'], { stdio: 'ignore' }).status === 0;
  if (isFound() || (installWithApt('redis-server') && isFound())) return;
  missing('redis-server was not found on PATH. Install it with the package manager of your system.', 'Redis');
}

/** Does the same for Prometheus and its promtool, which read the metrics in a test. */
function ensurePrometheus() {
  const isFound = () =>
    ['prometheus', 'promtool'].every(
      (name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0,
    );
  if (isFound() || (installWithApt('prometheus') && isFound())) return;
  missing(
    'prometheus and promtool were not found on PATH. Install them with the package manager of your system.',
    'Prometheus',
  );
}

/** Does the same for Postgres, in which one of the examples keeps state. Debian does not put its programs on the PATH. */
function ensurePostgres() {
  const folder = '/usr/lib/postgresql';
  const isFound = () =>
    spawnSync('postgres', ['--version'], { stdio: 'ignore' }).status === 0 ||
    (existsSync(folder) &&
      readdirSync(folder).some((version) => existsSync(`${folder}/${version}/bin/postgres`)));
  if (isFound() || (installWithApt('postgresql') && isFound())) return;
  missing(
    'postgres was not found on PATH or below /usr/lib/postgresql. Install it with the package manager of your system.',
    'Postgres',
  );
}

function missing(message, server) {
  if (process.env.CI === 'true') fail(message);
  say(`${message}\nWhat needs a real ${server} server cannot run; tests of it are skipped.`);
}

/** Returns false if this process may not use apt-get. */
function installWithApt(name) {
  if (!canInstallWithApt()) return false;
  say(`installing ${name} (apt-get)`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = { stdio: ['ignore', 'ignore', 'inherit'], env };
  // The update may fail: the package may be there although a mirror is stale or partly unreachable.
  spawnSync('apt-get', ['update', '-qq'], options);
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name], options);
  return true;
}

function canInstallWithApt() {
  return (
    process.platform === 'linux' &&
    process.getuid?.() === 0 &&
    spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0
  );
}

function npm(args) {
  // npm is a .cmd file on Windows, which only a shell can start.
  return spawnSync('npm', args, { cwd: ROOT, stdio: 'inherit', shell: process.platform === 'win32' });
}

function say(text) {
  console.error(text.replace(/^/gm, 'setup: '));
}

function fail(text) {
  say(text);
  process.exit(1);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19))
    fail(`Node ${process.versions.node} is too old: 20.19 or newer`);
  ensureDependencies();
  if (process.argv.includes('--nats')) ensureNatsServer();
  if (process.argv.includes('--redis')) ensureRedisServer();
  if (process.argv.includes('--prometheus')) ensurePrometheus();
  if (process.argv.includes('--postgres')) ensurePostgres();
}
