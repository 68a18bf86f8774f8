/** Waits for a child process to end, and kills it if it does not. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';

const ENDS_WITHIN_MS = 3_000;

export async function endOf(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const timeout = setTimeout(() => child.kill('SIGKILL'), ENDS_WITHIN_MS);
  await once(child, 'exit');
  clearTimeout(timeout);
}
