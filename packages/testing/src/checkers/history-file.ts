/** Reads the file form of a history: one JSON event per line, each line checked. */
import { MalformedHistoryError } from '../errors.ts';
import type { HistoryEvent } from './history.ts';
import type { Operation } from './operation.ts';

/**
 * Returns the operations in `text`, in order of invocation. It ignores a last line without a line feed: its writer was
 * killed while writing it, before the announced call left, or before any code saw the recorded answer.
 *
 * @throws MalformedHistoryError naming the line and the problem
 */
export function readHistory(text: string): Operation[] {
  const lines = text.split('\n');
  lines.pop();
  const operations = new Map<number, Operation>();
  const completed = new Set<number>();
  for (const [index, line] of lines.entries()) {
    const refuse = (problem: string): never => {
      throw new MalformedHistoryError(index + 1, problem);
    };
    const event = readEvent(line, refuse);
    const { id, at } = event;
    const known = operations.get(id);
    if (event.type === 'invoke') {
      if (known !== undefined) refuse(`operation ${id} is invoked twice`);
      const { process, key, op, input } = event;
      const call = { process, key, op, invokedAt: at, outcome: 'unknown' } as const;
      operations.set(id, input === undefined ? call : { ...call, input });
    } else {
      if (known === undefined) return refuse(`operation ${id} is complete before it is invoked`);
      if (completed.has(id)) refuse(`operation ${id} is complete twice`);
      if (at < known.invokedAt)
        refuse(`operation ${id} ends at ${at}, before its start at ${known.invokedAt}`);
      completed.add(id);
      const { outcome, value } = event;
      const end = { ...known, outcome, endedAt: at };
      operations.set(id, value === undefined ? end : { ...end, value });
    }
  }
  return [...operations.values()];
}

interface Field {
  readonly holds: (value: unknown) => boolean;
  readonly expected: string;
}

const text: Field = { holds: (value) => typeof value === 'string', expected: 'a string' };
const time: Field = { holds: (value) => typeof value === 'number', expected: 'a number' };
const id: Field = {
  holds: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  expected: 'a whole number from 0',
};
const outcome: Field = {
  holds: (value) => value === 'ok' || value === 'not-executed' || value === 'unknown',
  expected: 'ok, not-executed or unknown',
};

const FIELDS = {
  invoke: { id, at: time, process: text, key: text, op: text },
  complete: { id, at: time, outcome },
} satisfies Record<HistoryEvent['type'], Readonly<Record<string, Field>>>;
/** A field that may be any JSON, or missing. */
const FREE = { invoke: 'input', complete: 'value' } as const;

function readEvent(line: string, refuse: (problem: string) => never): HistoryEvent {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch {
    return refuse('is not JSON');
  }
  if (typeof event !== 'object' || event === null || Array.isArray(event)) return refuse('is not an object');
  const given = event as Record<string, unknown>;
  const { type } = given;
  if (type !== 'invoke' && type !== 'complete') return refuse(`type must be invoke or complete${got(type)}`);
  for (const [name, { holds, expected }] of Object.entries<Field>(FIELDS[type])) {
    if (!holds(given[name])) refuse(`${name} must be ${expected}${got(given[name])}`);
  }
  for (const name of Object.keys(given)) {
    if (name !== 'type' && name !== FREE[type] && !Object.hasOwn(FIELDS[type], name)) {
      refuse(`unknown field ${JSON.stringify(name)} in ${type}`);
    }
  }
  if (type === 'complete' && given['outcome'] !== 'ok' && given['value'] !== undefined) {
    refuse('only an operation with the outcome ok has a value');
  }
  return given as unknown as HistoryEvent;
}

function got(value: unknown): string {
  return value === undefined ? ', which is missing' : `, got ${JSON.stringify(value)}`;
}
