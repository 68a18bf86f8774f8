/** Records what all callers did and saw: one event when a call leaves, and one when its answer arrives. */
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
  /** Set only with `ok`. */
  readonly value?: unknown;
}

/** The events of a history, as a file holds them, one per line. */
export type HistoryEvent =
  | ({ readonly type: 'invoke'; readonly id: number; readonly at: number } & Invocation)
  | ({ readonly type: 'complete'; readonly id: number; readonly at: number } & Completion);

export interface History {
  /** Records a call; use it before the call leaves, because an unrecorded call cannot be checked. Returns an id. */
  invoke(invocation: Invocation, at: number): number;
  /** Records the end of a call, once per id. @throws Error when the id is unknown or already complete */
  complete(id: number, completion: Completion, at: number): void;
  /** Returns the operations in order of invocation; incomplete ones are `unknown`. */
  operations(): readonly Operation[];
}

export interface HistoryOptions {
  /**
   * Called with each event as a line of JSON, including its line feed. Append it to a file synchronously before you go
   * on; the file is then correct even if its writer is killed.
   */
  onLine?: ((line: string) => void) | undefined;
}

export function createHistory(options: HistoryOptions = {}): History {
  const recorded: Operation[] = [];
  const open = new Set<number>();
  const emit = (event: HistoryEvent): void => options.onLine?.(`${JSON.stringify(event)}\n`);
  return {
    invoke(invocation, at) {
      const id = recorded.push({ ...invocation, invokedAt: at, outcome: 'unknown' }) - 1;
      open.add(id);
      emit({ type: 'invoke', id, at, ...invocation });
      return id;
    },
    complete(id, completion, at) {
      if (!open.delete(id)) throw new Error(`history: operation ${id} is not running`);
      recorded[id] = { ...recorded[id]!, ...completion, endedAt: at };
      emit({ type: 'complete', id, at, ...completion });
    },
    operations: () => recorded,
  };
}

/** Groups operations by key, in order of each key's first operation. */
export function operationsByKey(operations: Iterable<Operation>): Map<string, Operation[]> {
  const keys = new Map<string, Operation[]>();
  for (const operation of operations) {
    const known = keys.get(operation.key);
    if (known === undefined) keys.set(operation.key, [operation]);
    else known.push(operation);
  }
  return keys;
}

/** The history as it was known at a given time: operations that had not ended may have taken effect or not. */
export function historyUntil(operations: readonly Operation[], at: number): Operation[] {
  return operations
    .filter(({ invokedAt }) => invokedAt <= at)
    .map((operation) =>
      operation.outcome === 'ok' && endOf(operation) > at
        ? { ...operation, outcome: 'unknown', endedAt: undefined, value: undefined }
        : operation,
    );
}
