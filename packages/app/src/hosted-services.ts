/** The services of an app: those that its actors name, each of which gets a node of its own. */
import type { Actor } from '@clstr/actors';
import { DEFAULT_SERVICE } from '@clstr/core/internal';

export interface HostedService {
  readonly name: string;
  readonly actors: readonly Actor[];
}

/** The app's own service first. Actors that name none belong to it; without a name, it is the only one that they name. */
export function hostedServices(actors: readonly Actor[], own: string | undefined): readonly HostedService[] {
  const named = new Set(actors.map(({ service }) => service));
  const only = named.size === 1 ? [...named][0] : undefined;
  const first = own ?? only ?? DEFAULT_SERVICE;
  const names = new Set([first, ...actors.map(({ service = first }) => service)]);
  return [...names]
    .map((name) => ({ name, actors: actors.filter(({ service = first }) => service === name) }))
    .filter((service) => service.actors.length > 0 || service.name === first);
}
