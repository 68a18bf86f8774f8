/** The running turns of one actor, which the errors of messages behind them name. */
import type { HandlerContext, HandlerRequest } from '@clstr/core';
import { describe } from '@clstr/core/internal';
import type { Blocker } from './blocker.ts';
import type { OwnTurn } from './own-turn.ts';

/** Records only turns that return a promise, because no message can wait behind the others. */
export class RunningTurns {
  #writer: HandlerRequest | undefined;
  #writerContext: HandlerContext | undefined;
  #readers: Map<HandlerRequest, HandlerContext> | undefined;
  /** The phase of the actor's life, or the timer, that runs now. */
  own: OwnTurn | undefined = undefined;

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

  beginOwn(turn: OwnTurn): void {
    this.endOwn();
    this.own = turn;
  }

  endOwn(): void {
    this.own?.end();
    this.own = undefined;
  }

  /** The actor's own turn, or else the oldest running message. */
  get oldest(): Blocker | undefined {
    if (this.own !== undefined) return this.own.blocker;
    const [reader] = this.#readers ?? [];
    const [request, context] = reader ?? [this.#writer, this.#writerContext];
    return request && { what: describe(request.type), verb: 'arrived', sinceMs: context?.startedMs };
  }
}
