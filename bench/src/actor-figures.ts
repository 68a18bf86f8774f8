/** Measures activation, memory, one hot key and what options cost actors, each in a process of its own. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ActorFigures, Report } from './actor-figures/process.ts';
import { endOf } from './child-end.ts';
import type { Figure } from './figure.ts';

const ALL: readonly (readonly [name: ActorFigures, text: string])[] = [
  ['activation-rate', 'activating actors'],
  ['hot-key', 'a hot key'],
  ['idle-memory', 'memory of idle actors'],
  ['cost-of-options', 'metrics, traces and retries on and off'],
];

/**
 * @param onProgress gets the name of the current part.
 * @throws Error when a call failed or was answered wrongly.
 */
export async function measureActors(
  runs: number,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const [name, text] of ALL) {
    signal.throwIfAborted();
    onProgress(text);
    figures.push(...(await figuresOf(name, runs, signal)));
  }
  return figures;
}

async function figuresOf(name: ActorFigures, runs: number, signal: AbortSignal): Promise<Figure[]> {
  const program = fileURLToPath(new URL('./actor-figures/process.js', import.meta.url));
  const child = fork(program, [name, String(runs)], { execArgv: ['--expose-gc'] });
  const onAbort = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', onAbort);
  try {
    return await new Promise((resolve, reject) => {
      child.on('message', (report: Report) => {
        if (report.kind === 'measured') resolve(report.figures);
        else reject(new Error(`${name}: ${report.reason}`));
      });
      child.on('exit', (code) => reject(new Error(`${name}: its process ended with ${code}`)));
    });
  } finally {
    signal.removeEventListener('abort', onAbort);
    await endOf(child);
  }
}
