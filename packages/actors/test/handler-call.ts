/** Calls of a handler as a node makes them, and gates that tests open when they please. */
import type { HandlerContext, HandlerRequest, Logger } from '@clstr/core';

/** A promise that the test settles. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  open(value: T): void;
  fail(error: unknown): void;
}

export function gate<T = void>(): Gate<T> {
  let open!: (value: T) => void;
  let fail!: (error: unknown) => void;
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve;
    fail = reject;
  });
  return { promise, open, fail };
}

export function requestOf(key: string | undefined, more: Partial<HandlerRequest> = {}): HandlerRequest {
  return {
    key,
    shard: 3,
    type: 'Add',
    payload: undefined,
    headers: {},
    isNotify: false,
    callChain: [],
    ...more,
  };
}

export interface LogLine {
  readonly level: keyof Logger;
  readonly fields: Record<string, unknown>;
  readonly message: string | undefined;
}

export interface TestContext extends HandlerContext {
  readonly lines: LogLine[];
  abort(reason: unknown): void;
}

export function contextOf(): TestContext {
  const controller = new AbortController();
  const lines: LogLine[] = [];
  const write =
    (level: keyof Logger) =>
    (fields: object, message?: string): void => {
      lines.push({ level, fields: fields as Record<string, unknown>, message });
    };
  return {
    signal: controller.signal,
    nodeId: 'node-1',
    lease: undefined,
    log: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    onAbort: undefined,
    refuse: () => undefined,
    started: () => undefined,
    remainingMs: () => 1_000,
    lines,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}

/** Resolves when every microtask queued so far, and those that they queue, have run. */
export async function microtasks(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** What `call` ends with: its value, or the error it threw. */
export async function outcomeOf(call: () => unknown): Promise<{ value?: unknown; error?: unknown }> {
  try {
    return { value: await call() };
  } catch (error) {
    return { error };
  }
}
