/** The name of an actor in error and log messages, escaped because its key comes from callers. */
import { printable } from '@clstr/core/internal';

export function actorName(actor: string, key: string): string {
  return `${actor}/${printable(key, MAX_KEY_LENGTH)}`;
}

/** An actor's type in call chains: two services may have actors of one name. */
export interface ActorId {
  readonly name: string;
  readonly service?: string | undefined;
}

/** The name of an actor in a call chain on the wire: programs compare it, people never see it. */
export function chainLink({ name, service }: ActorId, whole: string): string {
  return service === undefined ? `${name}/${whole}` : `${service}/${name}/${whole}`;
}

/** The actors and keys that a call came through, as text. */
export function pathOf(chain: readonly string[]): string {
  return chain.map((link) => printable(link, 2 * MAX_KEY_LENGTH)).join(' → ');
}

const MAX_KEY_LENGTH = 64;
