/** Maps message types on the wire to the methods of all actors of a node. */
import { ClstrError } from '@clstr/core';
import { describe } from '@clstr/core/internal';
import type { ActorType, BoundMethod } from './actor-type.ts';

/** @throws INVALID_OPTION when two actors have one name. */
export function bindMethods(types: readonly ActorType[]): Map<string, BoundMethod> {
  const methods = new Map<string, BoundMethod>();
  for (const type of types) {
    for (const [name, method] of type.methods()) {
      if (methods.has(name)) {
        const { name: actor } = type.actor;
        const other = methods.get(name)!.type.actor.name;
        const clash =
          other === actor
            ? `two actors are named "${actor}"`
            : `actors "${other}" and "${actor}" have a method of type ${describe(name)} each`;
        throw new ClstrError('INVALID_OPTION', `actorHandler: ${clash}`);
      }
      methods.set(name, method);
    }
  }
  return methods;
}
