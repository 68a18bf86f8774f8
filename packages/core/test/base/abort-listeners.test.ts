import { getEventListeners } from 'node:events';
import { anySignal, listenForAbort, stopListening } from '@clstr/core/internal';
import { expect, test } from 'vitest';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

function abortable(): { reasons: unknown[]; onAbort(reason: unknown): void } {
  const reasons: unknown[] = [];
  return { reasons, onAbort: (reason) => void reasons.push(reason) };
}

test('many that wait for one signal share a listener, which goes with the last of them', () => {
  const { signal } = new AbortController();
  const many = Array.from({ length: 100 }, abortable);
  for (const one of many) listenForAbort(signal, one);
  expect(listenersOf(signal)).toBe(1);
  for (const one of many.slice(1)) stopListening(signal, one);
  expect(listenersOf(signal)).toBe(1);
  stopListening(signal, many[0]!);
  stopListening(signal, many[0]!);
  expect(listenersOf(signal)).toBe(0);
});

test('a signal that fires calls all that still wait, even those that began after a pause', () => {
  const controller = new AbortController();
  const [first, second, third] = [abortable(), abortable(), abortable()];
  listenForAbort(controller.signal, first);
  stopListening(controller.signal, first);
  listenForAbort(controller.signal, second);
  listenForAbort(controller.signal, third);
  const reason = new Error('enough');
  controller.abort(reason);
  expect([first.reasons, second.reasons, third.reasons]).toEqual([[], [reason], [reason]]);
});

test('one that stops listening while the signal fires is not called', () => {
  const controller = new AbortController();
  const second = abortable();
  const first = {
    onAbort: (): void => {
      stopListening(controller.signal, second);
    },
  };
  listenForAbort(controller.signal, first);
  listenForAbort(controller.signal, second);
  controller.abort();
  expect(second.reasons).toEqual([]);
});

test('anySignal() fires with the first of its signals, and detaches from all of them', () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const [signal, letGo] = anySignal([a.signal, b.signal]);
  expect([listenersOf(a.signal), listenersOf(b.signal)]).toEqual([1, 1]);
  const reason = new Error('enough');
  b.abort(reason);
  a.abort(new Error('later'));
  expect([signal.aborted, signal.reason]).toEqual([true, reason]);
  letGo();
  expect([listenersOf(a.signal), listenersOf(b.signal)]).toEqual([0, 0]);
  expect(anySignal([new AbortController().signal, AbortSignal.abort(reason)])[0].reason).toBe(reason);
});
