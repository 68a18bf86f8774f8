/** Puts one listener on a signal, however many calls wait for it: at the eleventh, Node warns of a leak. */

export interface Abortable {
  /** The signal has fired. Called at most once. */
  onAbort(reason: unknown): void;
}

interface SharedListener {
  readonly waiting: Set<Abortable>;
  readonly onFire: () => void;
}

const listeners = new WeakMap<AbortSignal, SharedListener>();

/** Waits for a signal that has not fired; pair with {@link stopListening}. */
export function listenForAbort(signal: AbortSignal, abortable: Abortable): void {
  let shared = listeners.get(signal);
  if (shared === undefined) {
    const waiting = new Set<Abortable>();
    const onFire = (): void => {
      for (const one of waiting) one.onAbort(signal.reason);
    };
    shared = { waiting, onFire };
    listeners.set(signal, shared);
    signal.addEventListener('abort', onFire);
  }
  shared.waiting.add(abortable);
}

/** Removes the listener of a signal that nothing waits for any more. */
export function stopListening(signal: AbortSignal, abortable: Abortable): void {
  const shared = listeners.get(signal);
  if (shared?.waiting.delete(abortable) !== true || shared.waiting.size > 0) return;
  listeners.delete(signal);
  signal.removeEventListener('abort', shared.onFire);
}

/**
 * Returns a signal that fires with the first of `signals`, and a function that detaches it from them. `AbortSignal.any`
 * leaks: it leaves something on each signal that lives on.
 */
export function anySignal(signals: readonly AbortSignal[]): [signal: AbortSignal, letGo: () => void] {
  const controller = new AbortController();
  const abortable: Abortable = {
    onAbort: (reason) => {
      controller.abort(reason);
    },
  };
  for (const signal of signals) {
    if (signal.aborted) controller.abort(signal.reason);
    else listenForAbort(signal, abortable);
  }
  return [
    controller.signal,
    () => {
      for (const signal of signals) stopListening(signal, abortable);
    },
  ];
}
