/** State as JSON: what can be stored, and what a stored value becomes in this build. */

/** @throws TypeError for anything but an object or an array, and for what JSON cannot hold */
export function jsonOf(value: unknown, what: string): string {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : undefined;
  if (text?.startsWith('{') === true || text?.startsWith('[') === true) return text;
  throw new TypeError(`${what} is not an object or an array that JSON can hold`);
}

interface Versioned<T> {
  readonly version: number;
  readonly upcast?: ((value: unknown, version: number) => T) | undefined;
}

/** @throws an Error that says why this build cannot read it */
export function stateIn<T>(
  stored: { version: number; value: unknown },
  { version, upcast }: Versioned<T>,
): T {
  if (stored.version === version) return stored.value as T;
  if (stored.version > version) {
    throw new Error(`it has version ${stored.version}, and this build knows ${version}`);
  }
  if (upcast === undefined) {
    throw new Error(`it has version ${stored.version}: give upcast, which makes version ${version} of it`);
  }
  return upcast(stored.value, stored.version);
}
