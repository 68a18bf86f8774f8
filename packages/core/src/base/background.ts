/** The one way to let a promise run on its own: its failure is always reported. */
import type { Logger } from './logger.ts';

export function inBackground(work: Promise<unknown>, what: string, logger: Logger): void {
  work.catch((error: unknown) => {
    logger.error({ event: 'background.failed', err: error }, `${what} failed`);
  });
}
