// Finds the nats-server binary: in NATS_SERVER_BIN, then PATH, then where Debian puts it.
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';

/** Debian installs to /usr/sbin, which the PATH of an ordinary user leaves out. */
const EXTRA_FOLDERS = process.platform === 'win32' ? [] : ['/usr/sbin', '/usr/local/sbin'];
const FILE = process.platform === 'win32' ? 'nats-server.exe' : 'nats-server';

/** `{ path }` when found, `{ error }` when NATS_SERVER_BIN is set to something that cannot run, else `{}`. */
export function findNatsServer() {
  const named = process.env.NATS_SERVER_BIN;
  if (named !== undefined && named !== '') {
    return isExecutable(named)
      ? { path: named }
      : { error: `NATS_SERVER_BIN=${named} is not an executable file` };
  }
  const folders = [...(process.env.PATH ?? '').split(path.delimiter).filter(Boolean), ...EXTRA_FOLDERS];
  const found = folders.map((folder) => path.join(folder, FILE)).find(isExecutable);
  return found ? { path: found } : {};
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

export function installHint() {
  return [
    'Install it, or point NATS_SERVER_BIN at it:',
    '  macOS          brew install nats-server',
    '  Debian/Ubuntu  sudo apt-get install nats-server',
    '  others         go install github.com/nats-io/nats-server/v2@latest',
    '                 or https://github.com/nats-io/nats-server/releases',
  ].join('\n');
}
