/**
 * Checks whether a history is linearizable: for each key it searches for one serial order that explains all answers.
 * The search is exponential in the worst case, hence bounded; counter-check.ts checks counters without a search.
 *
 * Wing and Gong, Testing and verifying concurrent objects, 1993; with Lowe's memory of tried configurations (Testing
 * for linearizability, 2017).
 */
import type { Resolved, Spec } from '@clstr/core/internal';
import { integer, invalidOption, resolve } from '@clstr/core/internal';
import { defaults } from '../defaults.ts';
import { historyUntil, operationsByKey } from './history.ts';
import { describeOperation, endOf } from './operation.ts';
import type { Operation } from './operation.ts';
import type { SequentialModel } from './sequential-model.ts';
import { combineVerdicts } from './verdict.ts';
import type { KeyVerdict, Verdict } from './verdict.ts';

export interface LinearizableOptions {
  /** How many pairs (operations placed so far, state) to try per key before it is `undecided`. Default 1,000,000. */
  maxConfigurations?: number | undefined;
}

export const linearizableSpec: Spec<Resolved<LinearizableOptions>> = {
  maxConfigurations: integer(1, Number.MAX_SAFE_INTEGER, defaults.maxConfigurations),
};

/**
 * Checks each key. One operation precedes another only if it ended before the other was invoked; equal times leave the
 * order open.
 *
 * @throws INVALID_OPTION also for an operation that `model` does not have
 */
export function checkLinearizable<State>(
  operations: Iterable<Operation>,
  model: SequentialModel<State>,
  options: LinearizableOptions = {},
): Verdict {
  const owner = 'checkLinearizable';
  const { maxConfigurations } = resolve(owner, linearizableSpec, options);
  const keys = operationsByKey(operations);
  for (const ofKey of keys.values()) checkOps(owner, ofKey, model);
  return combineVerdicts(keys, (ofKey) => checkKey(ofKey, model, maxConfigurations));
}

/** @throws INVALID_OPTION for an operation that the model does not have */
export function checkOps(
  owner: string,
  operations: readonly Operation[],
  { name, ops }: Pick<SequentialModel<unknown>, 'name' | 'ops'>,
): void {
  for (const { key, op } of operations) {
    if (!Object.hasOwn(ops, op)) {
      throw invalidOption(owner, `op of key ${JSON.stringify(key)}`, op, `an operation of the ${name}`);
    }
  }
}

function checkKey<State>(
  operations: readonly Operation[],
  model: SequentialModel<State>,
  limit: number,
): KeyVerdict {
  const result = search(operations, model, limit);
  return result.kind === 'stuck' ? explain(operations, model, limit, result) : result.kind;
}

/** Finds, by bisection, the shortest prefix of the history with a contradiction, and describes it. */
function explain<State>(
  operations: readonly Operation[],
  model: SequentialModel<State>,
  limit: number,
  whole: Stuck<State>,
): KeyVerdict {
  const ends = [...new Set(operations.map(endOf).filter(Number.isFinite))].sort((a, b) => a - b);
  let [low, high, found] = [0, ends.length - 1, whole];
  while (low < high) {
    const middle = (low + high) >> 1;
    const result = search(historyUntil(operations, ends[middle]!), model, limit);
    if (result.kind === 'stuck') [high, found] = [middle, result];
    else low = middle + 1;
  }
  const { last, state, refused } = found;
  const after = last === undefined ? 'at the start' : `after ${describeOperation(last)}`;
  const next = refused.map((operation) => {
    const { value } = model.apply(state, operation);
    return `${describeOperation(operation)} should have answered ${JSON.stringify(value)}`;
  });
  return {
    explanation: `no order explains the answers; the longest try is at ${JSON.stringify(state)} ${after}, where ${next.join(' and ')}`,
    operations: last === undefined ? refused : [last, ...refused],
  };
}

interface Stuck<State> {
  readonly kind: 'stuck';
  /** The try that placed most operations: its state, its last operation, and those that could not come next. */
  readonly state: State;
  readonly last: Operation | undefined;
  readonly refused: readonly Operation[];
}

type SearchResult<State> = { readonly kind: 'linearizable' | 'undecided' } | Stuck<State>;

/** The operations placed so far, and the state they led to. */
interface Configuration<State> {
  /** Among the acknowledged operations, by invocation, all before this index are placed … */
  readonly base: number;
  /** … and these after it, in ascending order. There are few: they ran at the same time as the one at `base`. */
  readonly beyond: readonly number[];
  /** How many operations of each unknown group are placed. */
  readonly taken: readonly number[];
  readonly state: State;
  readonly last: Operation | undefined;
}

function search<State>(
  operations: readonly Operation[],
  model: SequentialModel<State>,
  limit: number,
): SearchResult<State> {
  const certain = operations
    .filter(({ outcome }) => outcome === 'ok')
    .sort((a, b) => a.invokedAt - b.invokedAt);
  const groups = groupUnknown(operations, model);
  const first = { base: 0, beyond: [], taken: groups.map(() => 0), state: model.initial, last: undefined };
  const stack: Configuration<State>[] = [first];
  const seen = new Set<string>();
  let deepest: Stuck<State> | undefined;
  let depth = -1;
  for (let config = stack.pop(); config !== undefined; config = stack.pop()) {
    const { base, beyond, taken, state } = config;
    if (base === certain.length) return { kind: 'linearizable' };
    const memory = `${base}|${beyond.join()}|${taken.join()}|${JSON.stringify(state)}`;
    if (seen.has(memory)) continue;
    if (seen.size >= limit) return { kind: 'undecided' };
    seen.add(memory);

    const { candidates, minEnd } = nextCertain(certain, config);
    // Pushed first, so tried last: most unknown operations are not part of the order.
    for (const [group, members] of groups.entries()) {
      const operation = members[taken[group]!];
      if (operation === undefined || operation.invokedAt > minEnd) continue;
      const more = taken.map((count, index) => (index === group ? count + 1 : count));
      const applied = model.apply(state, operation);
      stack.push({ base, beyond, taken: more, state: applied.state, last: operation });
    }
    const refused: Operation[] = [];
    for (const index of candidates.reverse()) {
      const operation = certain[index]!;
      const applied = model.apply(state, operation);
      if (!isAnswer(operation, applied.value)) refused.push(operation);
      else stack.push({ ...place(base, beyond, index), taken, state: applied.state, last: operation });
    }
    if (base + beyond.length > depth && refused.length === candidates.length) {
      depth = base + beyond.length;
      deepest = { kind: 'stuck', state, last: config.last, refused: refused.reverse() };
    }
  }
  return deepest!;
}

/**
 * Groups unknown operations with the same effect: they never have to end, so the one that was invoked first can stand
 * for any of them. Operations that change nothing are left out, because they explain nothing.
 */
function groupUnknown(
  operations: readonly Operation[],
  { ops }: Pick<SequentialModel<unknown>, 'ops'>,
): Operation[][] {
  const unknown = operations.filter(({ outcome, op }) => outcome === 'unknown' && ops[op] === 'writes');
  const groups = new Map<string, Operation[]>();
  for (const operation of unknown.sort((a, b) => a.invokedAt - b.invokedAt)) {
    const effect = `${operation.op} ${JSON.stringify(operation.input)}`;
    const group = groups.get(effect);
    if (group === undefined) groups.set(effect, [operation]);
    else group.push(operation);
  }
  return [...groups.values()];
}

/** The operations that may come next: no unplaced one ended before their invocation. Sorted by their ends. */
function nextCertain(
  certain: readonly Operation[],
  { base, beyond }: Pick<Configuration<unknown>, 'base' | 'beyond'>,
): { candidates: number[]; minEnd: number } {
  const candidates: number[] = [];
  let minEnd = Infinity;
  for (let index = base; index < certain.length && certain[index]!.invokedAt <= minEnd; index++) {
    if (beyond.includes(index)) continue;
    candidates.push(index);
    minEnd = Math.min(minEnd, endOf(certain[index]!));
  }
  candidates.sort((a, b) => endOf(certain[a]!) - endOf(certain[b]!));
  return { candidates, minEnd };
}

function place(base: number, beyond: readonly number[], index: number): { base: number; beyond: number[] } {
  const rest = [...beyond, index].sort((a, b) => a - b);
  let start = base;
  while (rest[0] === start) {
    rest.shift();
    start++;
  }
  return { base: start, beyond: rest };
}

function isAnswer({ value }: Operation, expected: unknown): boolean {
  return expected === undefined || JSON.stringify(value) === JSON.stringify(expected);
}
