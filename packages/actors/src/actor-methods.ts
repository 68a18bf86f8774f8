/** The methods of all actors of a node under the types their messages have on the wire. */
import { ClstrError } from '@clstr/core';
import type { ActorType, BoundMethod } from './actor-type.ts';

/** @throws INVALID_OPTION when two actors have one name. */
export function bindMethods(types: readonly ActorType[]): Map<string, BoundMethod> {
  const methods = new Map<string, BoundMethod>();
  for (const type of types) {
    for (const [name, method] of type.methods()) {
      if (methods.has(name)) {
        throw new ClstrError('INVALID_OPTION', `actorHandler: two actors are named "${type.actor.name}"`);
      }
      methods.set(name, method);
    }
  }
  return methods;
}
