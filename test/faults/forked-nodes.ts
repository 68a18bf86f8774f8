/** Node processes that a test starts and kills: each sends one message once its app is there. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export class ForkedNodes {
  readonly #program: string;
  readonly #args: readonly string[];
  readonly #execArgv: string[];
  readonly #nodes: ChildProcess[] = [];

  constructor(program: string, args: readonly string[] = [], execArgv: string[] = []) {
    this.#program = program;
    this.#args = args;
    this.#execArgv = execArgv;
  }

  async start(): Promise<void> {
    const node = fork(this.#program, this.#args, {
      execArgv: this.#execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#nodes.push(node);
    const ended = once(node, 'exit').then(([code]) => {
      throw new Error(`the program ended with code ${String(code)} before its app was there`);
    });
    await Promise.race([once(node, 'message', { signal: AbortSignal.timeout(60_000) }), ended]);
  }

  /** Kills the oldest one. */
  killOldest(): void {
    this.#nodes.shift()!.kill('SIGKILL');
  }

  async end(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => endOf(node)));
  }
}

async function endOf(node: ChildProcess): Promise<void> {
  if (node.exitCode !== null || node.signalCode !== null) return;
  const exited = once(node, 'exit');
  node.kill('SIGKILL');
  await exited;
}
