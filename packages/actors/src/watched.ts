/** What metrics read of the actors of one handler. */
import type { WatchedActors } from '@clstr/core';
import type { ActorType } from './actor-type.ts';
import type { NodeScope } from './actor-core.ts';

export function watchedActors(
  { mailboxes, tasks }: NodeScope,
  actorTypes: readonly ActorType[],
  types: readonly string[],
  isClosed: () => boolean,
): WatchedActors {
  return {
    types,
    active: () => new Map(actorTypes.map(({ actor, size }) => [actor.name, size])),
    get mailboxDepth() {
      return mailboxes.depth;
    },
    get tasksInFlight() {
      return tasks.inFlight;
    },
    get isClosed() {
      return isClosed();
    },
  };
}
