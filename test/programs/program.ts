/** Programs of this repository, run as a reader would run them. */
import { execFile, execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Resolves when the program, JavaScript or TypeScript, has ended, however it did. */
export function run(program: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...loaderOf(program), program, ...args],
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr });
      },
    );
  });
}

/** What Node has to be told to run the program. */
export function loaderOf(program: string): string[] {
  return /ts$/.test(program) ? ['--import', 'tsx'] : [];
}

/** For `beforeAll`. */
export const BUILD_TIMEOUT_MS = 120_000;

/** Compiles a package and what it refers to; does nothing where the build is up to date. */
export function build(folder: string): void {
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-b', folder], { stdio: 'inherit' });
}
