/** What runs in one actor, so that errors of messages behind it can name it. */
import type { Clock, HandlerContext, HandlerRequest } from '@clstr/core';
import { describe } from '@clstr/core/internal';

/** Only turns that return a promise are entered here: nothing can wait behind the others. */
export class RunningTurns {
  #writer: HandlerRequest | undefined;
  #writerContext: HandlerContext | undefined;
  #readers: Map<HandlerRequest, HandlerContext> | undefined;

  /** Hot path: two fields for a request that runs alone; those that only read together are kept in a map. */
  began(isReadonly: boolean, request: HandlerRequest, context: HandlerContext): void {
    if (isReadonly) {
      (this.#readers ??= new Map()).set(request, context);
      return;
    }
    this.#writer = request;
    this.#writerContext = context;
  }

  ended(isReadonly: boolean, request: HandlerRequest): void {
    if (isReadonly) {
      this.#readers?.delete(request);
      return;
    }
    this.#writer = undefined;
    this.#writerContext = undefined;
  }

  /** The oldest message that runs. */
  get oldest(): Blocker | undefined {
    const [reader] = this.#readers ?? [];
    const [request, context] = reader ?? [this.#writer, this.#writerContext];
    return request && { what: describe(request.type), verb: 'came', sinceMs: context?.startedMs };
  }
}

export interface Blocker {
  readonly what: string;
  readonly verb: 'came' | 'began';
  /** When its message came, or when it began. */
  readonly sinceMs: number | undefined;
}

/** How an error names what was in the way: never more than its type and age. */
export function behind(blocker: Blocker | undefined, clock: Clock): string {
  if (blocker === undefined) return '';
  const { what, verb, sinceMs } = blocker;
  const age = sinceMs === undefined ? '' : `, which ${verb} ${Math.round(clock.monoMs() - sinceMs)} ms ago`;
  return `, behind ${what}${age}`;
}
