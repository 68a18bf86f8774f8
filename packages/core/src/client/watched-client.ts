/** A client as its metrics read it. */
import type { WatchedClient } from '../base/watched.ts';
import type { Breakers } from './breakers.ts';
import type { Retries } from './retries.ts';

export function watchedClient(
  service: string,
  retries: Retries | undefined,
  breakers: Breakers | undefined,
  isClosed: () => boolean,
): WatchedClient {
  return {
    service,
    get retriesLeft() {
      return retries?.left;
    },
    get openBreakers() {
      return breakers?.open().length;
    },
    get isClosed() {
      return isClosed();
    },
  };
}
