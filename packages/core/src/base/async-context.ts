/**
 * The async context that user code runs in: no call may see what another caller put into an `AsyncLocalStorage`.
 *
 * Without this, a message would run in the context of the code that delivered it: the sender in memory, the read loop of
 * a connection, the handler that ran before it. docs/decisions/0016 says why and what it costs.
 */

export interface AsyncContext {
  /** Calls `fn` in this context; a store that `fn` enters ends with it. Run only one function per context. */
  runInAsyncScope<Args extends unknown[], Result>(
    fn: (...args: Args) => Result,
    thisArg?: unknown,
    ...args: Args
  ): Result;
}

interface AsyncHooks {
  AsyncResource: new (type: string, triggerAsyncId?: number) => AsyncContext;
}

declare const process: { getBuiltinModule?(id: string): unknown } | undefined;

/** Undefined where there is no `AsyncLocalStorage` either, as in browsers. */
const AsyncResource =
  typeof process === 'undefined'
    ? undefined
    : (process.getBuiltinModule?.('node:async_hooks') as AsyncHooks | undefined)?.AsyncResource;

const TYPE = 'clstr';
/** Tools show this as the trigger of a spare: the start of the process. Asking Node for the id costs 30 ns per spare. */
const ROOT_ID = 1;
/** Contexts are made this many at a time: entering the root context for each one would double what a turn costs. */
const SPARES = 64;

/** The context of the code that loads this module, in practice an empty one. No user code ever runs in it. */
const root = AsyncResource && new AsyncResource(TYPE);
const spares: AsyncContext[] = [];

/**
 * Hot path: calls `fn` in a new context without any store, in less than 0.1 µs on Node 20. Calls cannot share one
 * context: on Node 20 to 22 `enterWith` writes into the context that it runs in.
 */
export function detached<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
  ...args: Args
): Result {
  if (root === undefined) return fn(...args);
  const context = spares.pop() ?? root.runInAsyncScope(newSpares);
  return context.runInAsyncScope(fn, undefined, ...args);
}

/** Returns a new context with the caller's stores, for code that waits and continues after other code has run. */
export function captureContext(): AsyncContext {
  return AsyncResource === undefined ? plainCall : new AsyncResource(TYPE);
}

/** Fires a signal. Its listeners are user code, and must not run in the context of the timer or caller that fires it. */
export function abortDetached(controller: AbortController | undefined, reason: Error): void {
  if (controller !== undefined) detached(() => controller.abort(reason));
}

function newSpares(): AsyncContext {
  for (let i = 1; i < SPARES; i++) spares.push(new AsyncResource!(TYPE, ROOT_ID));
  return new AsyncResource!(TYPE, ROOT_ID);
}

const plainCall: AsyncContext = {
  runInAsyncScope: (fn, thisArg, ...args) => fn.apply(thisArg, args),
};
