/** Finds the nats-server program, or says how to install it. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { ClstrError } from '@clstr/core';

/**
 * Returns the path of the program: from `NATS_SERVER_BIN`, then `PATH`, then where Debian puts it.
 *
 * @throws CONNECT_FAILED with the commands that install it.
 */
export function findNatsServer(): string {
  const named = process.env['NATS_SERVER_BIN'];
  if (named !== undefined && named !== '') {
    if (isExecutable(named)) return named;
    throw missing(`NATS_SERVER_BIN=${named} is not an executable file`);
  }
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...EXTRA_FOLDERS];
  const found = folders.map((folder) => join(folder, FILE)).find(isExecutable);
  if (found === undefined) throw missing('no nats-server was found');
  return found;
}

/**
 * Returns whether tests against a real server can run, and prints why if they cannot. With `CI=true` a missing server
 * is an error: a skipped test must not look like a passed one.
 *
 * @throws CONNECT_FAILED
 */
export function hasNatsServer(): boolean {
  try {
    findNatsServer();
    return true;
  } catch (error) {
    if (process.env['CI'] === 'true') throw error;
    process.stderr.write(`Skipped, because ${(error as ClstrError).message}\n`);
    return false;
  }
}

/** Debian installs to /usr/sbin, which the PATH of an ordinary user leaves out. */
const EXTRA_FOLDERS = ['/usr/sbin', '/usr/local/sbin'];
const FILE = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

const INSTALL = `
Install it, or point NATS_SERVER_BIN at it:
  macOS          brew install nats-server
  Debian/Ubuntu  sudo apt-get install nats-server
  others         go install github.com/nats-io/nats-server/v2@latest`;

function missing(what: string): ClstrError {
  return new ClstrError('CONNECT_FAILED', `${what}.${INSTALL}`);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
