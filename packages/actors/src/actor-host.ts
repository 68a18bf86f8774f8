/** The core handler that runs actors: it finds the method and the actor of each message, and ends with its node. */
import type { ClstrError, Handler, HandlerContext, HandlerRequest, OverdueTurn } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import type { ActorHandlerOptions } from './actor-handler-options.ts';
import { resolveActorHandlerOptions } from './actor-handler-options.ts';
import { bindMethods } from './actor-methods.ts';
import { ActorType } from './actor-type.ts';
import { draining, missingKey, unknownType } from './errors.ts';
import type { Actor, AnyActor } from './implementation.ts';
import { watchedActors } from './watched.ts';
import type { OptionsArgument, ServicesOf } from './services.ts';

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
export function actorHandler<Actors extends readonly AnyActor[]>(
  given: Actors,
  ...[options = {}]: OptionsArgument<ActorHandlerOptions<ServicesOf<Actors>>, ServicesOf<Actors>>
): ActorHandler {
  const actors = given as unknown as readonly Actor[];
  const { host, cacheSize } = resolveActorHandlerOptions(actors, options);
  const types = actors.map((actor) => new ActorType(host, actor, cacheSize));
  const methods = bindMethods(types);
  const messageTypes = [...methods.keys()];
  let closing: Promise<unknown> | undefined;
  let isClosed = false;
  host.metrics.watchActors(watchedActors(host, types, messageTypes, () => isClosed));

  const handle = (request: HandlerRequest, context: HandlerContext): unknown => {
    const method = methods.get(request.type);
    if (method === undefined) throw unknownType(request.type);
    if (request.key === undefined) throw missingKey(request.type);
    if (closing !== undefined) throw draining(context.nodeId);
    host.nodeId = context.nodeId;
    return method.type.activation(request.key, request.shard).accept(method, request, context);
  };
  const close = async (): Promise<void> => {
    closing ??= Promise.all(types.map((type) => type.close()));
    await closing;
    isClosed = true;
    host.overdue.close();
  };
  const handOver = async (shard: number, refusal: ClstrError, limitMs: number): Promise<void> => {
    await Promise.all(types.map((type) => type.handOver(shard, asRefusal(refusal), limitMs)));
  };
  const drop = async (shard: number, refusal: ClstrError): Promise<void> => {
    await Promise.all(types.map((type) => type.drop(shard, asRefusal(refusal))));
  };
  const keepsReplies = (type: string): boolean => methods.get(type)?.type.actor.durable !== undefined;
  const overdue = (): readonly OverdueTurn[] => host.overdue.list();
  return Object.assign(handle, {
    hosts: actors.map(({ name }) => name),
    types: messageTypes,
    hasMailboxes: true,
    keepsReplies,
    close,
    handOver,
    drop,
    overdue,
    [Symbol.asyncDispose]: close,
  });
}
