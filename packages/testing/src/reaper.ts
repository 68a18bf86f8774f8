/** Ends a child process when this one dies, even by a kill, which runs no exit hook. */
import { spawn } from 'node:child_process';

/**
 * Kills `pid` and removes `folder` once this process is gone. The returned function cancels that. A shell waits at the
 * other end of a pipe until the system closes it; without `sh` this does nothing.
 */
export function reapLater(pid: number, folder: string): () => void {
  const script = 'cat > /dev/null; kill -9 "$0"; rm -rf "$1"';
  // Detached, so that Ctrl-C in a terminal ends this process and its child, and the folder is still removed.
  const reaper = spawn('sh', ['-c', script, String(pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  reaper.on('error', () => undefined);
  reaper.unref();
  // A child's pipe is a socket, although its type does not say so: it must not keep this process alive either.
  (reaper.stdin as Partial<{ unref(): void }> | null)?.unref?.();
  return () => {
    reaper.kill('SIGKILL');
  };
}
