/** One nats-server of our own, on a free port of this machine. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { endOf } from './child-end.ts';

export interface NatsServer {
  servers: string;
  version: string;
  close: () => Promise<void>;
}

const READY_WITHIN_MS = 10_000;

/** @throws Error when there is no nats-server or it does not become ready. */
export async function startNatsServer(): Promise<NatsServer> {
  const bin = process.env['NATS_SERVER_BIN'] ?? 'nats-server';
  const folder = await mkdtemp(path.join(tmpdir(), 'clstr-bench-'));
  // Dynamic clusters meet in JetStream.
  const child = spawn(bin, ['--addr', '127.0.0.1', '--port', '-1', '-js', '-sd', folder], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Detached from Ctrl-C, because its clients could not close without it.
    detached: true,
  });
  const close = async (): Promise<void> => {
    child.kill('SIGTERM');
    await endOf(child);
    await rm(folder, { recursive: true, force: true });
  };

  const lines = createInterface({ input: child.stderr });
  const timeout = setTimeout(() => child.kill('SIGKILL'), READY_WITHIN_MS);
  try {
    return await new Promise<NatsServer>((resolve, reject) => {
      let version = 'unknown';
      let port: string | undefined;
      let lastLine = '';
      child.once('error', (cause) => {
        reject(
          new Error(`cannot run '${bin}': put nats-server on the PATH or set NATS_SERVER_BIN`, { cause }),
        );
      });
      child.once('exit', () => {
        reject(new Error(`'${bin}' ended before it was ready: ${lastLine}`));
      });
      lines.on('line', (line) => {
        lastLine = line;
        version = /Version:\s+(\S+)/.exec(line)?.[1] ?? version;
        port = /Listening for client connections on .*:(\d+)$/.exec(line)?.[1] ?? port;
        if (port !== undefined && line.endsWith('Server is ready')) {
          resolve({ servers: `nats://127.0.0.1:${port}`, version, close });
        }
      });
    });
  } finally {
    clearTimeout(timeout);
  }
}
