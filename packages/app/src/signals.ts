/** One process listener per signal, however many apps wait for it: Node warns of a leak at the eleventh listener. */
import process from 'node:process';

type SignalListener = (signal: NodeJS.Signals) => void;

const waiting = new Map<NodeJS.Signals, Set<SignalListener>>();

/** Pair with {@link offSignal}. */
export function onSignal(signal: NodeJS.Signals, listener: SignalListener): void {
  let listeners = waiting.get(signal);
  if (listeners === undefined) {
    waiting.set(signal, (listeners = new Set()));
    process.on(signal, callListeners);
  }
  listeners.add(listener);
}

/** Removes a listener; without any listener the signal has its default effect on the process again. */
export function offSignal(signal: NodeJS.Signals, listener: SignalListener): void {
  const listeners = waiting.get(signal);
  if (listeners?.delete(listener) !== true || listeners.size > 0) return;
  waiting.delete(signal);
  process.off(signal, callListeners);
}

function callListeners(signal: NodeJS.Signals): void {
  for (const listener of [...(waiting.get(signal) ?? [])]) listener(signal);
}
