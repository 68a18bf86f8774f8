/** Recognises promises of any kind, because user code may return those of a library. A getter named `then` may throw. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
