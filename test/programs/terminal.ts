/** A shell that runs a page's commands as its reader would: line by line, all in one session. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';

export interface Done {
  readonly code: number;
  /** Of this command, and of what runs in the background. */
  readonly output: string;
}

/** What a command prints that goes on in the background, once a reader would type the next one. */
const READY: readonly (readonly [command: RegExp, output: RegExp])[] = [
  [/^nats-server\b/, /Server is ready/],
  [/\bservice\b/, /serves \d+ shards/],
  [/\bgateway\b/, /listening/],
  [/--serve\b/, /until Ctrl-C/],
  [/\bcalls\.ts\b/, /the first order/],
];

export class Terminal {
  readonly #shell: ChildProcess;
  readonly #timeoutMs: number;
  readonly #watchers = new Set<() => void>();
  #output = '';
  #commands = 0;

  constructor({ cwd, env, timeoutMs }: { cwd: string; env: NodeJS.ProcessEnv; timeoutMs: number }) {
    this.#timeoutMs = timeoutMs;
    // A process group of its own: closing the terminal ends what runs in the background.
    this.#shell = spawn('bash', ['--noprofile', '--norc'], { cwd, env, detached: true });
    for (const stream of [this.#shell.stdout!, this.#shell.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        for (const watch of this.#watchers) watch();
      });
    }
  }

  /** Resolves when the command has ended, or is ready where it goes on in the background. */
  async run(command: string): Promise<Done> {
    const from = this.#output.length;
    const mark = `ended-${++this.#commands}:`;
    // Without the terminal's input, which holds the next commands.
    this.#shell.stdin!.write(`{ ${withoutComment(command)}\n} </dev/null\necho "${mark}$?"\n`);
    const [, code] = await this.#printed(new RegExp(`${mark}(\\d+)\n`), from, command);
    const ready = READY.find(([pattern]) => pattern.test(command))?.[1];
    if (/&( \w+=\$!)?$/.test(withoutComment(command)) && ready !== undefined)
      await this.#printed(ready, from, command);
    const output = this.#output.slice(from).replaceAll(/ended-\d+:\d+\n/g, '');
    return { code: Number(code), output };
  }

  /** Where the terminal is: its reader saves programs there. */
  async folder(): Promise<string> {
    const { output } = await this.run('pwd');
    return output.trim().split('\n').at(-1)!;
  }

  /** Ends the shell and all that it has started. */
  close(): void {
    try {
      process.kill(-this.#shell.pid!, 'SIGKILL');
    } catch {
      // Everything has ended.
    }
  }

  #printed(pattern: RegExp, from: number, command: string): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(watch);
      };
      const watch = (): void => {
        const match = pattern.exec(this.#output.slice(from));
        if (match === null) return;
        end();
        resolve(match);
      };
      const timer = setTimeout(() => {
        end();
        const output = this.#output.slice(from);
        reject(new Error(`"${command}" did not print ${pattern} within ${this.#timeoutMs} ms:\n${output}`));
      }, this.#timeoutMs);
      this.#watchers.add(watch);
      watch();
    });
  }
}

/** A comment begins with a space and `#`. */
export function withoutComment(command: string): string {
  return command.replace(/\s#.*$/, '').trim();
}

/** That of a new terminal: without what npm and vitest have added to ours. */
export function plainEnvironment(): NodeJS.ProcessEnv {
  const added = /^(npm_|INIT_CWD$|NODE_ENV$|NODE_OPTIONS$|VITEST|TEST$|VITE_)/i;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !added.test(name)));
}
