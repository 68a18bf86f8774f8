/** Replies that wait although their turn has ended, as those of durable actors do until the turn is stored. */
import type { MessageContext } from './contexts.ts';

export function replyOf({ heldUntil }: MessageContext, value: unknown): unknown {
  return heldUntil === undefined ? value : heldUntil.then(() => value);
}

/** Throws what a handler has thrown, at once or when its reply may leave. */
export function failureOf({ heldUntil }: MessageContext, error: unknown): unknown {
  if (heldUntil === undefined) throw error;
  return heldUntil.then(() => {
    throw error;
  });
}
