/** A Postgres of its own for a test: a new database cluster in a temporary folder, on a free port. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where Debian has the programs of a server: not on the PATH. */
const DEBIAN = '/usr/lib/postgresql';

/** Where CI runs a missing server fails the test instead of skipping it. */
export function hasPostgres(): boolean {
  return programsFolder() !== undefined || process.env['CI'] === 'true';
}

/** For hooks: on a busy machine it takes a while to make a cluster. */
export const START_TIMEOUT_MS = 60_000;

export interface PostgresServer {
  readonly port: number;
  readonly url: string;
  /** Kills the server as a crash of its machine would, and starts it again on the same files. */
  crash(): Promise<void>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<PostgresServer> {
  const programs = programsFolder();
  if (programs === undefined)
    throw new Error('Postgres is not installed: neither on PATH nor below ' + DEBIAN);
  const folder = mkdtempSync(join(tmpdir(), 'clstr-postgres-'));
  const user = unprivileged();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, 'data');
  const options = { ...user, cwd: folder };
  const init = ['-D', data, '-U', 'clstr', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(programs, 'initdb'), init, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  const port = await freePort();
  const args = ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder];
  const start = async (): Promise<ChildProcess> => {
    const server = spawn(join(programs, 'postgres'), args, {
      ...options,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let log = '';
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.once('exit', () => reject(new Error(`postgres ended:\n${log}`)));
      server.stderr.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        if (log.includes('ready to accept connections')) resolve();
      });
    });
    return server;
  };
  let server = await start();
  /** At once and without a checkpoint: what follows is a recovery, or nobody needs the files any more. */
  const end = async (): Promise<void> => {
    const exit = once(server, 'exit');
    server.kill('SIGQUIT');
    await exit;
  };
  return {
    port,
    url: `postgres://clstr@127.0.0.1:${port}/postgres`,
    async crash() {
      await end();
      server = await start();
    },
    async stop() {
      await end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Empty if they are on the PATH. */
function programsFolder(): string | undefined {
  if (spawnSync('postgres', ['--version'], { stdio: 'ignore' }).status === 0) return '';
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  return versions
    .map((version) => join(DEBIAN, version, 'bin'))
    .find((path) => existsSync(join(path, 'postgres')));
}

/** Postgres does not run as root. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }));
  return { uid: idOf('-u'), gid: idOf('-g') };
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
