/** A log of handlers with their epochs and times, reported in batches, one per turn of the event loop. */
import type { ActorContext } from '@clstr/actors';
import { nowMs } from './now.ts';

/** `[what, number of the run in its process, key, epoch, time]` */
export type HandlerStep = readonly ['started' | 'aborted' | 'ended', number, string, number, number];

export interface HandlerLog {
  around<T>(context: ActorContext, run: () => Promise<T>): Promise<T>;
}

export function createHandlerLog(report: (steps: readonly HandlerStep[]) => void): HandlerLog {
  let steps: HandlerStep[] = [];
  let runs = 0;
  const add = (step: HandlerStep): void => {
    if (steps.push(step) > 1) return;
    setImmediate(() => {
      report(steps);
      steps = [];
    });
  };
  return {
    async around({ key, epoch, signal }, run) {
      const id = ++runs;
      const inEpoch = epoch ?? 0;
      const onAbort = (): void => add(['aborted', id, key, inEpoch, nowMs()]);
      add(['started', id, key, inEpoch, nowMs()]);
      signal.addEventListener('abort', onAbort);
      try {
        return await run();
      } finally {
        signal.removeEventListener('abort', onAbort);
        add(['ended', id, key, inEpoch, nowMs()]);
      }
    },
  };
}
