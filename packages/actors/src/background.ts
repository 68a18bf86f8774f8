/** Work that an actor has given to `waitUntil`: until it has settled, the actor stays in memory. */
import type { ActorCore } from './actor-core.ts';

export class Background {
  readonly #onSettled: () => void;
  #pending = 0;

  /** @param onSettled is called whenever one of them has settled. */
  constructor(onSettled: () => void) {
    this.#onSettled = onSettled;
  }

  get isIdle(): boolean {
    return this.#pending === 0;
  }

  add({ home, key }: ActorCore, work: Promise<unknown>): void {
    const { host, actor } = home;
    this.#pending++;
    const beganMs = host.tasks.began();
    const ended = (): void => {
      this.#pending--;
      this.#onSettled();
    };
    Promise.resolve(work).then(
      () => {
        host.tasks.succeeded(beganMs);
        ended();
      },
      (err: unknown) => {
        host.tasks.failed(beganMs, err);
        const fields = { err, actor: actor.name, key };
        host.floodLog.error('actor.background_failed', fields, 'work given to waitUntil failed');
        ended();
      },
    );
  }
}
