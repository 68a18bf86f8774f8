/** Running handlers by client id and attempt, for cancel; JSON entries, which have neither, are not in it. */
import type { HandlerCall } from './handler-call.ts';

export class RunningCalls {
  readonly #ofClients = new Map<number, Map<number, HandlerCall>>();

  add(call: HandlerCall): void {
    const { clientId, attempt } = call.entry;
    if (clientId === 0) return;
    let attempts = this.#ofClients.get(clientId);
    if (attempts === undefined) this.#ofClients.set(clientId, (attempts = new Map<number, HandlerCall>()));
    attempts.set(attempt, call);
  }

  remove(call: HandlerCall): void {
    const { clientId, attempt } = call.entry;
    const attempts = this.#ofClients.get(clientId);
    if (attempts?.get(attempt) !== call) return;
    attempts.delete(attempt);
    if (attempts.size === 0) this.#ofClients.delete(clientId);
  }

  get(clientId: number, attempt: number): HandlerCall | undefined {
    return this.#ofClients.get(clientId)?.get(attempt);
  }
}
