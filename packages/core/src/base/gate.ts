/** A promise that somebody else resolves, once. */
export interface Gate {
  readonly promise: Promise<void>;
  readonly isResolved: boolean;
  resolve(): void;
}

export function createGate(): Gate {
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
