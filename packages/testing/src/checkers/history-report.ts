/** The verdict on a recorded history as text, one line per class of keys. */
import { checkCounters } from './counter-check.ts';
import { checkLinearizable } from './linearizable.ts';
import type { LinearizableOptions } from './linearizable.ts';
import { operationsByKey } from './history.ts';
import { describeOperation } from './operation.ts';
import type { Operation, OperationOutcome } from './operation.ts';
import { counterModel, registerModel } from './sequential-model.ts';
import type { Verdict } from './verdict.ts';

export interface HistoryReport {
  readonly kind: Verdict['kind'];
  readonly text: string;
}

/** How many violations are printed in full; the line of their class counts all. */
const MAX_PRINTED = 10;

interface KeyClass {
  readonly name: string;
  readonly ops: Readonly<Record<string, unknown>>;
  readonly check: (operations: readonly Operation[]) => Verdict;
}

/**
 * Sorts the keys by their operations into counters (`increment`, `get`) and registers (`write`, `read`), and checks
 * each.
 *
 * @throws Error naming the key and the operation that fits neither
 */
export function reportHistory(
  operations: readonly Operation[],
  options: LinearizableOptions = {},
): HistoryReport {
  const classes: readonly KeyClass[] = [
    { ...counterModel, check: checkCounters },
    { ...registerModel, check: (all) => checkLinearizable(all, registerModel, options) },
  ];
  const members = new Map<KeyClass, Operation[]>(classes.map((one) => [one, []]));
  for (const [key, ofKey] of operationsByKey(operations))
    members.get(classOf(key, ofKey, classes))!.push(...ofKey);
  const verdicts = [...members]
    .filter(([, all]) => all.length > 0)
    .map(([{ name, check }, all]) => ({ name, all, verdict: check(all) }));
  const kinds = verdicts.map(({ verdict }) => verdict.kind);
  return {
    kind: kinds.includes('violation')
      ? 'violation'
      : kinds.includes('undecided')
        ? 'undecided'
        : 'linearizable',
    text: verdicts.length === 0 ? 'no operations\n' : verdicts.map(renderClass).join(''),
  };
}

function classOf(key: string, operations: readonly Operation[], classes: readonly KeyClass[]): KeyClass {
  const fitting = classes.find(({ ops }) => Object.hasOwn(ops, operations[0]!.op));
  const stranger = operations.find(({ op }) => fitting === undefined || !Object.hasOwn(fitting.ops, op));
  if (fitting !== undefined && stranger === undefined) return fitting;
  const known = classes.map(({ name, ops }) => `a ${name} has ${Object.keys(ops).join(' and ')}`).join(', ');
  throw new Error(`key ${JSON.stringify(key)} has the operation ${JSON.stringify(stranger?.op)}: ${known}`);
}

function renderClass({
  name,
  all,
  verdict,
}: {
  name: string;
  all: readonly Operation[];
  verdict: Verdict;
}): string {
  const { kind, keys, violations, undecidedKeys } = verdict;
  const count = (outcome: OperationOutcome): string =>
    `${format(all.filter((operation) => operation.outcome === outcome).length)} ${outcome}`;
  const outcomes = [count('ok'), count('not-executed'), count('unknown')].join(', ');
  const lines = [
    `${name}: ${kind}, ${format(keys)} keys, ${format(all.length)} operations (${outcomes}), ` +
      `${format(violations.length)} violations, ${format(undecidedKeys.length)} undecided`,
  ];
  for (const { key, explanation, operations } of violations.slice(0, MAX_PRINTED)) {
    lines.push(`  key ${JSON.stringify(key)}: ${explanation}`);
    for (const operation of operations) lines.push(`    ${describeOperation(operation)}`);
  }
  if (violations.length > MAX_PRINTED)
    lines.push(`  and ${format(violations.length - MAX_PRINTED)} more keys`);
  if (undecidedKeys.length > 0) lines.push(`  undecided: ${undecidedKeys.slice(0, MAX_PRINTED).join(', ')}`);
  return `${lines.join('\n')}\n`;
}

function format(count: number): string {
  return count.toLocaleString('en-US');
}
