/** Middleware: code of one actor that runs around each of its message handlers, within the turn of the message. */
import type { ActorContext, ErasedHandler } from './actor-context.ts';

export interface MiddlewareContext<Services = unknown> extends ActorContext<Services> {
  /** The name of the method in the contract. */
  readonly method: string;
  /** What the handler gets as its input, already validated. */
  readonly input: unknown;
}

/**
 * Returns what the caller gets, which is then validated as the output: mostly what `next` returned, a value or a promise.
 * The turn ends with this function, so it has to await or return what `next` returns.
 */
export type Middleware<Services = unknown> = (
  context: MiddlewareContext<Services>,
  next: () => unknown,
) => unknown;

/** The first of `use` is outermost. Returns the handler itself if there are none. */
export function withMiddleware(
  use: readonly Middleware[],
  method: string,
  handler: ErasedHandler,
): ErasedHandler {
  if (use.length === 0) return handler;
  return (state, input, context) => {
    const around = Object.assign(context, { method, input });
    const pass = (index: number): unknown => {
      const middleware = use[index];
      if (middleware === undefined) return handler(state, input, context);
      return middleware(around, () => pass(index + 1));
    };
    return pass(0);
  };
}
