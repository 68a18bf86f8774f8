/** Calls of a handler as a node makes them. */
import type { HandlerContext, HandlerRequest } from '@clstr/core';
import type { LogRecord } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';

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

export interface TestContext extends HandlerContext {
  readonly lines: readonly LogRecord[];
  abort(reason: unknown): void;
}

export function contextOf(): TestContext {
  const controller = new AbortController();
  const log = recordLog();
  return {
    signal: controller.signal,
    nodeId: 'node-1',
    lease: undefined,
    log,
    onAbort: undefined,
    refuse: () => undefined,
    started: () => undefined,
    remainingMs: () => 1_000,
    lines: log.lines,
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
