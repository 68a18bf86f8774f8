/** The running turns of one actor, which the errors of messages behind them name. */
import type { Clock, HandlerContext, HandlerRequest } from '@clstr/core';
import { describe } from '@clstr/core/internal';

/** Records only turns that return a promise, because no message can wait behind the others. */
export class RunningTurns {
  #writer: HandlerRequest | undefined;
  #writerContext: HandlerContext | undefined;
  #readers: Map<HandlerRequest, HandlerContext> | undefined;

  /** Hot path: a request that runs alone takes two fields; concurrent readers are kept in a map. */
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

  /** The oldest running message. */
  get oldest(): Blocker | undefined {
    const [reader] = this.#readers ?? [];
    const [request, context] = reader ?? [this.#writer, this.#writerContext];
    return request && { what: describe(request.type), verb: 'arrived', sinceMs: context?.startedMs };
  }
}

export interface Blocker {
  readonly what: string;
  readonly verb: 'arrived' | 'began';
  /** When its message arrived, or when it began. */
  readonly sinceMs: number | undefined;
}

/** The text by which an error names the blocking turn: only its type and age. */
export function behind(blocker: Blocker | undefined, clock: Clock): string {
  if (blocker === undefined) return '';
  const { what, verb, sinceMs } = blocker;
  const age = sinceMs === undefined ? '' : `, which ${verb} ${Math.round(clock.monoMs() - sinceMs)} ms ago`;
  return `, behind ${what}${age}`;
}
