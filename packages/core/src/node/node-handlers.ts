/** The handlers of messages to a node itself, by type: of broadcasts, and of calls to any node. */
import { asRefusal, ClstrError, isClstrError } from '../base/errors.ts';
import { describe } from '../base/describe.ts';
import { invalidOption } from '../base/options.ts';
import { option } from '../base/spec.ts';
import type { Option } from '../base/spec.ts';
import { checkCallerType } from '../wire/envelope.ts';
import { NO_SHARD } from '../wire/transport.ts';
import type { Handler, HandlerContext, HandlerRequest } from './handler.ts';

/** A message to a node: it has no key and no shard. */
export type NodeRequest = Omit<HandlerRequest, 'key' | 'shard'>;

/** Returns the reply, or a promise of it. Several may run at a time, whatever the node owns. */
export type NodeMessageHandler = (request: NodeRequest, context: HandlerContext) => unknown;

/** By message type; a node refuses all other messages to it as `UNKNOWN_TYPE`. */
export type NodeHandlers = Readonly<Record<string, NodeMessageHandler>>;

export const nodeHandlersOption: Option<NodeHandlers> = option((owner, name, value) => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidOption(owner, name, value, 'an object of functions');
  }
  const handlers = Object.create(null) as Record<string, NodeMessageHandler>;
  for (const [type, handler] of Object.entries(value)) {
    checkName(owner, name, type);
    if (typeof handler !== 'function')
      throw invalidOption(owner, `${name}.${describe(type)}`, handler, 'a function');
    handlers[type] = handler as NodeMessageHandler;
  }
  return Object.freeze(handlers);
}, Object.freeze({}));

/** @throws INVALID_OPTION: here a wrong type is a mistake of the program, not of a message. */
function checkName(owner: string, name: string, type: string): void {
  try {
    checkCallerType(type);
  } catch (cause) {
    if (!isClstrError(cause)) throw cause;
    const message = `${owner}: ${name} must have message types as names: ${cause.message}; rename the handler`;
    throw new ClstrError('INVALID_OPTION', message, { cause });
  }
}

/** Runs each message by the handler of its shard, or of its node. Costs nothing where there are no such handlers. */
export function withNodeHandlers(handler: Handler, nodeHandlers: NodeHandlers): Handler {
  if (Object.keys(nodeHandlers).length === 0) return handler;
  return (request, context) =>
    request.shard === NO_SHARD
      ? handlerOf(nodeHandlers, request.type, context)(request, context)
      : handler(request, context);
}

function handlerOf(handlers: NodeHandlers, type: string, { nodeId }: HandlerContext): NodeMessageHandler {
  const found = handlers[type];
  if (found !== undefined) return found;
  const message = `node ${nodeId} has no handler for messages to nodes of type ${describe(type)}`;
  throw asRefusal(new ClstrError('UNKNOWN_TYPE', message));
}
