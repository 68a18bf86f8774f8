/**
 * The async context that user code runs in: what one caller put into an `AsyncLocalStorage` must reach no other.
 *
 * Without this, a message runs in the context of the code that brought it here: the sender in memory, the read loop of
 * a connection, the handler that ran before it. docs/decisions/0016 says why and what it costs.
 */

export interface AsyncContext {
  /** Calls `fn` in this context; what `fn` enters is over when it returns. Run only one function per context. */
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
/** What triggered a spare, as tools see it: the start of the process. Asking Node for it costs 30 ns each. */
const ROOT_ID = 1;
/** Made ahead in one go: entering the root context for each of them would cost a turn twice as much. */
const SPARES = 64;

/** The context of the code that loads this module, in practice an empty one. No user code ever runs in it. */
const root = AsyncResource && new AsyncResource(TYPE);
const spares: AsyncContext[] = [];

/**
 * Hot path: calls `fn` in a new context without any store, less than 0.1 µs on Node 20. Not in one context shared by all calls,
 * as `enterWith` on Node 20 to 22 writes into the context that it runs in.
 */
export function detached<Args extends unknown[], Result>(
  fn: (...args: Args) => Result,
  ...args: Args
): Result {
  if (root === undefined) return fn(...args);
  const context = spares.pop() ?? root.runInAsyncScope(newSpares);
  return context.runInAsyncScope(fn, undefined, ...args);
}

/** A new context with the stores of the code that calls: for what waits, and goes on behind other code. */
export function captureContext(): AsyncContext {
  return AsyncResource === undefined ? plainCall : new AsyncResource(TYPE);
}

/** Fires a signal. Its listeners are user code; what leads here, a timer or a caller, has a context of its own. */
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
