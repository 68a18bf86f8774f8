/** Handlers that fail on purpose, to show how the bank copes. */
import type { Actor } from '@clstr/actors';

/** The handler fails `before` or `after` its work, or does nothing and reports success. */
export type Fault = 'before' | 'after' | 'instead';

/** @param faultOf is called for each message; undefined means no fault. */
export function sabotaged(
  actor: Actor,
  faultOf: (method: string, input: unknown) => Fault | undefined,
): Actor {
  const handlers: Record<string, Handler> = {};
  for (const [method, handler] of Object.entries(actor.handlers)) {
    handlers[method] = (state, input, context) => {
      const fault = faultOf(method, input);
      if (fault === 'instead') return 0;
      if (fault === 'before') throw new Error(`${method} failed before it did anything`);
      const result = handler(state, input, context);
      if (fault === 'after') throw new Error(`${method} failed after it was done`);
      return result;
    };
  }
  return { ...actor, handlers };
}

type Handler = Actor['handlers'][string];

/**
 * The faults of this demo, chosen by the number at the end of a transfer's id, so that they are the same in every run.
 */
export function createFaults(isBroken: boolean): (method: string, input: unknown) => Fault | undefined {
  const reverted = new Set<string>();
  return (method, input) => {
    const { id = '' } = (input ?? {}) as { id?: string };
    const number = Number(/\d+$/.exec(id)?.[0]);
    switch (method) {
      case 'withdraw':
        return number % 25 === 4 ? 'after' : undefined;
      case 'deposit':
        if (number % 10 === 3) return 'before';
        return number % 10 === 7 ? 'after' : undefined;
      case 'revert':
        if (isBroken) return 'instead';
        // The first attempt of some transfers fails.
        if (number % 20 !== 3 || reverted.has(id)) return undefined;
        reverted.add(id);
        return 'before';
      default:
        return undefined;
    }
  };
}
