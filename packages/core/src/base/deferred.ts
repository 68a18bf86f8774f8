/** A promise that other code resolves, once. */
export interface Deferred {
  readonly promise: Promise<void>;
  readonly isResolved: boolean;
  resolve(): void;
}

export function createDeferred(): Deferred {
  let isResolved = false;
  let release: () => void = () => undefined;
  const promise = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    promise,
    get isResolved() {
      return isResolved;
    },
    resolve() {
      isResolved = true;
      release();
    },
  };
}
