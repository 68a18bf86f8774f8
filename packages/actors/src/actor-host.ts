/** The core handler that runs actors: finds the method and the actor of each message, and ends all with its node. */
import type { Handler, HandlerContext, HandlerRequest } from '@clstr/core';
import { ClstrError, asRefusal, describe } from '@clstr/core';
import type { ActorHandlerArguments } from './actor-handler-options.ts';
import { resolveActorHandlerOptions } from './actor-handler-options.ts';
import { ActorType } from './actor-type.ts';
import type { BoundMethod } from './actor-type.ts';
import type { Actor } from './implementation.ts';

export interface ActorHandler extends Handler {
  /**
   * Refuses new messages as `DRAINING` and passivates every actor once it is at rest, waiting at most 2 s for that and
   * as long again for `passivate`. Idempotent.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Runs actors on a node: `createNode({ handler: actorHandler([counter], …) })`. One handler belongs to one node, which
 * closes it.
 *
 * @throws INVALID_OPTION
 */
export function actorHandler(
  actors: readonly Actor[],
  ...[options = {}]: ActorHandlerArguments
): ActorHandler {
  const { host, cacheSize } = resolveActorHandlerOptions(actors, options);
  const types = actors.map((actor) => new ActorType(host, actor, cacheSize));
  const methods = bindMethods(types);
  let closing: Promise<unknown> | undefined;

  const handle = (request: HandlerRequest, context: HandlerContext): unknown => {
    const method = methods.get(request.type);
    if (method === undefined) throw unknownType(request.type);
    if (request.key === undefined) throw missingKey(request.type);
    if (closing !== undefined) throw draining(context.nodeId);
    host.nodeId = context.nodeId;
    return method.type.activation(request.key).accept(method, request, context);
  };
  const close = async (): Promise<void> => {
    closing ??= Promise.all(types.map((type) => type.close()));
    await closing;
  };
  return Object.assign(handle, { close, [Symbol.asyncDispose]: close });
}

function bindMethods(types: readonly ActorType[]): Map<string, BoundMethod> {
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

function unknownType(type: string): ClstrError {
  return asRefusal(new ClstrError('UNKNOWN_TYPE', `no actor on this node has a method ${describe(type)}`));
}

function missingKey(type: string): ClstrError {
  return asRefusal(
    new ClstrError('MISSING_KEY_HEADER', `${describe(type)} came without a key: actors live under keys`),
  );
}

function draining(nodeId: string): ClstrError {
  return asRefusal(new ClstrError('DRAINING', `node ${nodeId} is shutting down`));
}
