/** The parent's handle of one node process: it starts and drains the process, and reports an unexpected end. */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { NodeReport, StartOrder } from './node-process.ts';

export interface ForkedNode {
  readonly id: string;
  readonly pid: number | undefined;
  /** @throws Error with the reason when the process fails or is not ready in time. */
  readonly ready: Promise<void>;
  /** Ends the process; resolves with the increments it ran, or undefined if it could not report them. */
  drain(): Promise<number | undefined>;
}

const READY_WITHIN_MS = 15_000;
/** The time limit for the end of a process, longer than the grace of a draining node. */
const DRAINED_WITHIN_MS = 15_000;

/** @param onDeath is called if the process ends unexpectedly after `ready`. */
export function forkNode(order: StartOrder, onDeath: (error: Error) => void): ForkedNode {
  const child = fork(fileURLToPath(new URL('./node-process.js', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [], // --inspect and the like are meant for the parent
  });
  let isReady = false;
  let isDraining = false;
  let increments: number | undefined;
  let reason = '';

  const ended = new Promise<Error>((resolve) => {
    child.once('error', (error) => {
      resolve(new Error(`${order.id} could not be started: ${error.message}`));
    });
    // 'close' fires after the last message, 'exit' may fire before it.
    child.once('close', (code, signal) => {
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      resolve(new Error(`${order.id} ${how}${reason === '' ? '' : `: ${reason}`}`));
    });
  });
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Error(`${order.id} was not ready within ${READY_WITHIN_MS} ms`));
    }, READY_WITHIN_MS);
    child.on('message', (message: NodeReport) => {
      if (message.kind === 'failed') ({ reason } = message);
      else if (message.kind === 'drained') ({ increments } = message);
      else {
        isReady = true;
        clearTimeout(timer);
        resolve();
      }
    });
    void ended.then((error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
  void ended.then((error) => {
    if (isReady && !isDraining) onDeath(error);
  });
  child.send(order, (error) => {
    if (error !== null) child.kill('SIGKILL');
  });

  return {
    id: order.id,
    pid: child.pid,
    ready,
    async drain() {
      isDraining = true;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), DRAINED_WITHIN_MS);
      await ended;
      clearTimeout(timer);
      return increments;
    },
  };
}
