/** The services of an app: those that its actors name, each of which gets a node of its own. */
import type { Actor } from '@clstr/actors';
import { DEFAULT_SERVICE, invalidOption } from '@clstr/core/internal';

export interface HostedService {
  readonly name: string;
  readonly actors: readonly Actor[];
}

/**
 * The app's own service first. Actors that name none belong to it. Where `own` is not given, it is the default service,
 * or the one of the first actor if all of them name one.
 *
 * @throws INVALID_OPTION when no actor belongs to `own`
 */
export function hostedServices(actors: readonly Actor[], own: string | undefined): readonly HostedService[] {
  const isEachNamed = actors.every(({ service }) => service !== undefined);
  const first = own ?? (isEachNamed ? actors[0]!.service! : DEFAULT_SERVICE);
  const names = new Set([first, ...actors.map(({ service = first }) => service)]);
  const hosted = [...names].map((name) => ({
    name,
    actors: actors.filter(({ service = first }) => service === name),
  }));
  if (hosted[0]!.actors.length > 0) return hosted;
  throw invalidOption('createApp', 'service', own, 'a service that at least one of the actors belongs to');
}
