/** Programs of tests, as processes of their own. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Program {
  /** Resolves when the program prints `line`; rejects when it ends before. */
  printed(line: string): Promise<void>;
  /** Sends SIGTERM; resolves with the exit code. */
  end(): Promise<number | null>;
}

/** Programs run from `dist`. Does nothing where the build is up to date. */
export function buildPackages(): void {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const packages = join(import.meta.dirname, '../..');
  const built = ['opentelemetry', 'app', 'transport-nats'].map((name) => join(packages, name));
  execFileSync(process.execPath, [tsc, '-b', ...built], { stdio: 'inherit' });
}

const running = new Set<ChildProcess>();

export function startProgram(file: string, ...args: string[]): Program {
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  const closed = once(child, 'close');
  void closed.then(() => running.delete(child));
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  return {
    async printed(line) {
      while (!lines.includes(line)) {
        const ended = closed.then(() =>
          Promise.reject(new Error(`${file} ended without printing "${line}"`)),
        );
        await Promise.race([once(output, 'line'), ended]);
      }
    },
    async end() {
      child.kill('SIGTERM');
      await closed;
      return child.exitCode;
    },
  };
}

/** Ends what a failed test has left running. */
export function killPrograms(): void {
  for (const child of running) child.kill('SIGKILL');
}
