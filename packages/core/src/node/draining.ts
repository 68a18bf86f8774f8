/** How a node ends: it answers what it has accepted, leaves the bus, and closes its handler. */
import { detached } from '../base/async-context.ts';
import type { Clock } from '../base/clock.ts';
import { within } from '../base/clock.ts';
import { createDeferred } from '../base/deferred.ts';
import { ClstrError } from '../base/errors.ts';
import type { Dispatch } from './dispatch.ts';
import type { ResolvedNodeOptions } from './options.ts';
import type { NodeSubjects } from './subjects.ts';

/** The time that a draining node gives to the messages it has accepted. */
export class Grace {
  readonly #clock: Clock;
  readonly #over = createDeferred();
  #ms = 0;
  #untilMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Starts the grace, unless it is over already. */
  begin(ms: number): void {
    this.#ms = ms;
    this.#untilMs = this.#clock.monoMs() + ms;
  }

  /** Ends all waits. Idempotent. */
  end(): void {
    this.#over.resolve();
  }

  get isOver(): boolean {
    return this.#over.isResolved;
  }

  get leftMs(): number {
    return this.isOver ? 0 : Math.max(0, this.#untilMs - this.#clock.monoMs());
  }

  /** The limit for work that needs some time even without grace. */
  get atLeastMs(): number {
    return Math.max(this.#ms, MIN_MS);
  }

  /** Resolves when `work` does, or the grace is over. */
  async wait(work: Promise<unknown>): Promise<void> {
    const { leftMs } = this;
    if (leftMs > 0) await Promise.race([within(this.#clock, work, leftMs), this.#over.promise]);
  }
}

/** The least time for handing over all shards, and for closing the handler. */
const MIN_MS = 5_000;

/** Keeps the subjects until all messages are answered: an accepted message may call this very node. */
export async function drainNode(
  { id, transport, handler, clock, logger }: ResolvedNodeOptions,
  { dispatch, subjects, grace }: { dispatch: Dispatch; subjects: NodeSubjects; grace: Grace },
): Promise<void> {
  dispatch.stopAdmitting();
  await grace.wait(dispatch.whenIdle());
  const message = `node ${id} closed before the handler ended`;
  await dispatch.abortRunning(new ClstrError('ABORTED', message, { outcome: 'unknown' }));
  // Replies that were ready while the connection was down leave when it is back.
  if (transport.settle !== undefined && grace.leftMs > 0) await grace.wait(transport.settle(grace.leftMs));
  await subjects.leaveAll();
  const limitMs = grace.atLeastMs;
  try {
    const closed = (async () => detached(() => handler.close?.()))();
    if (await within(clock, closed, limitMs)) return;
    throw new ClstrError('HANDLER_TIMEOUT', `the handler did not close within ${limitMs} ms`);
  } catch (err) {
    logger.error({ event: 'handler.close_failed', err, nodeId: id }, 'the handler failed to close');
  }
}
