/** A real nats-server for tests: on a free port, in a folder of its own, ended with the process that started it. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClstrError } from '@clstr/core';
import type { Resolved, Spec } from '@clstr/core/internal';
import { checkString, integer, milliseconds, option, optional, resolve, text } from '@clstr/core/internal';
import { defaults } from './defaults.ts';
import { findNatsServer } from './nats-binary.ts';
import { reapLater } from './reaper.ts';

export interface NatsServerOptions {
  /** The contents of its configuration file; host, port and storage are added. */
  config?: string | undefined;
  /** Further arguments, e.g. `['-js']`. */
  args?: readonly string[] | undefined;
  /** Default: a free one. */
  port?: number | undefined;
  /** How long the server may take to answer first, in milliseconds. Default 10,000. */
  startTimeoutMs?: number | undefined;
}

export interface NatsServer {
  readonly host: string;
  readonly port: number;
  /** `nats://127.0.0.1:<port>` */
  readonly url: string;
  /** The process id; undefined while the server does not run. */
  readonly pid: number | undefined;
  /** The server's folder, which `stop` removes. */
  readonly folder: string;
  /** Ends the server without warning, as a crash does; `restart` brings it back. */
  kill(): Promise<void>;
  /** Starts the server again on the same port, after `kill` or in place of the running one. @throws CONNECT_FAILED */
  restart(): Promise<void>;
  /** Ends the server and removes its folder. Idempotent. */
  stop(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Resolves when the server answers.
 * @throws INVALID_OPTION; CONNECT_FAILED, with its output, when the program is missing or does not start.
 */
export async function startNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const server = new LaunchedServer(findNatsServer(), resolve('startNatsServer', natsServerSpec, options));
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

export const natsServerSpec: Spec<Resolved<NatsServerOptions, 'config' | 'port'>> = {
  config: optional(text()),
  args: option((owner, name, value) => (value as unknown[]).map((arg) => checkString(owner, name, arg)), []),
  port: optional(integer(1, 65_535)),
  startTimeoutMs: milliseconds(1, defaults.startTimeoutMs),
};

const HOST = '127.0.0.1';
/** Lets the server pick a free port: asking the system first would let another program take the port in between. */
const ANY_PORT = -1;
const STOP_TIMEOUT_MS = 2_000;
const LISTENING = /Listening for client connections on [^\s]*:(\d+)/;
const READY = /Server is ready/;
/** How many characters of its log an error quotes if the server does not start, or ends by itself. */
const MAX_LOG = 16_384;

class LaunchedServer implements NatsServer {
  readonly host = HOST;
  readonly folder: string;
  readonly #program: string;
  readonly #options: Resolved<NatsServerOptions, 'config' | 'port'>;
  #port: number;
  #child: ChildProcess | undefined;
  /** The processes that this class ended on purpose, whose end is not reported. */
  readonly #ending = new WeakSet<ChildProcess>();

  constructor(program: string, options: Resolved<NatsServerOptions, 'config' | 'port'>) {
    this.#program = program;
    this.#options = options;
    this.#port = options.port ?? ANY_PORT;
    this.folder = mkdtempSync(join(tmpdir(), 'clstr-nats-'));
    if (options.config !== undefined) writeFileSync(join(this.folder, 'server.conf'), options.config);
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `nats://${HOST}:${this.#port}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async start(): Promise<void> {
    const { args, config, startTimeoutMs } = this.#options;
    const all = ['-a', HOST, '-p', String(this.#port), '-sd', this.folder, ...args];
    if (config !== undefined) all.push('-c', join(this.folder, 'server.conf'));
    const child = spawn(this.#program, all, { cwd: this.folder, stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child = child;
    const stopReaper = child.pid === undefined ? undefined : reapLater(child.pid, this.folder);
    const forget = (): void => {
      stopReaper?.();
      if (this.#child === child) this.#child = undefined;
    };
    child.once('exit', forget);
    child.once('error', forget);
    const log = logOf(child);
    this.#port = await untilReady(child, log, startTimeoutMs);
    child.once('close', (code, signal) => {
      if (this.#ending.has(child)) return;
      process.emitWarning(
        `nats-server (pid ${child.pid}, ${this.url}) ended by itself with ${signal ?? code}; it printed:\n${log()}`,
      );
    });
    await untilAnswers(this.#port);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  async stop(): Promise<void> {
    try {
      await this.#end('SIGTERM');
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    this.#ending.add(child);
    await new Promise<void>((resolve) => {
      const hurry = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
      child.once('exit', () => {
        clearTimeout(hurry);
        resolve();
      });
      child.kill(signal);
    });
  }
}

/** Returns the end of the server's output. Reads all of it, because a full pipe would block the server. */
function logOf(child: ChildProcess): () => string {
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    log = (log + text).slice(-MAX_LOG);
  });
  return () => log;
}

/** Resolves with the server's port once it is ready. */
function untilReady(child: ChildProcess, log: () => string, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      clearTimeout(timer);
      reject(new ClstrError('CONNECT_FAILED', `nats-server ${why}; it printed:\n${log()}`));
    };
    const timer = setTimeout(() => {
      fail(`was not ready within ${timeoutMs} ms`);
    }, timeoutMs);
    child.once('error', (error) => {
      fail(`did not start: ${error.message}`);
    });
    // Not 'exit': its last output, which has the reason, may arrive after that.
    child.once('close', (code, signal) => {
      fail(`ended with ${signal ?? code}`);
    });
    child.stderr?.on('data', () => {
      const port = LISTENING.exec(log())?.[1];
      if (port === undefined || !READY.test(log())) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
  });
}

/** Resolves when the server answers. It sends INFO on every connection, whatever its authentication and TLS. */
function untilAnswers(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, HOST);
    const fail = (why: string): void => {
      socket.destroy();
      reject(new ClstrError('CONNECT_FAILED', `nats-server does not answer on ${HOST}:${port}: ${why}`));
    };
    socket.setTimeout(STOP_TIMEOUT_MS, () => {
      fail('no INFO came');
    });
    socket.once('error', (error) => {
      fail(error.message);
    });
    socket.once('data', (bytes) => {
      if (!bytes.toString().startsWith('INFO ')) fail('it is not a NATS server');
      else {
        socket.destroy();
        resolve();
      }
    });
  });
}
