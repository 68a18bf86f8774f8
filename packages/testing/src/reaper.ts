/** Ends a child process when this one dies, in whatever way: a process that is killed runs no exit hook. */
import { spawn } from 'node:child_process';

/**
 * Once this process is gone, kills `pid` and removes `folder`. The returned function calls that off. A shell waits at
 * the other end of a pipe, which the system closes; where there is no `sh` nothing happens.
 */
export function reapLater(pid: number, folder: string): () => void {
  const script = 'cat > /dev/null; kill -9 "$0"; rm -rf "$1"';
  // Detached, so that Ctrl-C in a terminal reaches this process and its child, and the folder still goes.
  const reaper = spawn('sh', ['-c', script, String(pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.on('error', () => undefined);
  reaper.unref();
  // A pipe of a child is a socket, though its type does not say so: it must not keep this process alive either.
  (reaper.stdin as Partial<{ unref(): void }> | null)?.unref?.();
  return () => {
    reaper.kill('SIGKILL');
  };
}
