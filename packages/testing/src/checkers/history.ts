/** What all callers did and saw, recorded as it happens: one event when a call leaves, one when its answer is there. */
import { endOf } from './operation.ts';
import type { Operation, OperationOutcome } from './operation.ts';

export interface Invocation {
  readonly process: string;
  readonly key: string;
  readonly op: string;
  readonly input?: unknown;
}

export interface Completion {
  readonly outcome: OperationOutcome;
  /** With `ok` only. */
  readonly value?: unknown;
}

/** As they stand in a file, one per line. */
export type HistoryEvent =
  | ({ readonly type: 'invoke'; readonly id: number; readonly at: number } & Invocation)
  | ({ readonly type: 'complete'; readonly id: number; readonly at: number } & Completion);

export interface History {
  /** Before the call leaves: what happens unrecorded cannot be judged. Returns the id for `complete`. */
  invoke(invocation: Invocation, at: number): number;
  /** Once per id. @throws Error when the id is unknown, or complete already */
  complete(id: number, completion: Completion, at: number): void;
  /** In order of invocation; what was not completed is `unknown`. */
  operations(): readonly Operation[];
}

export interface HistoryOptions {
  /**
   * Gets each event as a line of JSON, its line feed included: append it to a file before going on, synchronously, and
   * the file tells the truth whenever its writer is killed.
   */
  onLine?: ((line: string) => void) | undefined;
}

export function createHistory(options: HistoryOptions = {}): History {
  const recorded: Operation[] = [];
  const open = new Set<number>();
  const tell = (event: HistoryEvent): void => options.onLine?.(`${JSON.stringify(event)}\n`);
  return {
    invoke(invocation, at) {
      const id = recorded.push({ ...invocation, invokedAt: at, outcome: 'unknown' }) - 1;
      open.add(id);
      tell({ type: 'invoke', id, at, ...invocation });
      return id;
    },
    complete(id, completion, at) {
      if (!open.delete(id)) throw new Error(`history: operation ${id} is not running`);
      recorded[id] = { ...recorded[id]!, ...completion, endedAt: at };
      tell({ type: 'complete', id, at, ...completion });
    },
    operations: () => recorded,
  };
}

/** Keys in order of their first operation. */
export function operationsByKey(operations: Iterable<Operation>): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const known = keys.get(operation.key);
    if (known === undefined) keys.set(operation.key, [operation]);
    else known.push(operation);
  }
  return keys;
}

/** The history as it was known at a time: what had not ended by then may have taken effect or not. */
export function historyUntil(operations: readonly Operation[], at: number): Operation[] {
  return operations
    .filter(({ invokedAt }) => invokedAt <= at)
    .map((operation) =>
      operation.outcome === 'ok' && endOf(operation) > at
        ? { ...operation, outcome: 'unknown', endedAt: undefined, value: undefined }
        : operation,
    );
}
