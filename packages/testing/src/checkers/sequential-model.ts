/** The behaviour of an object under one operation at a time, against which linearizability is checked. */
import type { Operation } from './operation.ts';

export interface SequentialModel<State> {
  readonly name: string;
  /** The names of all operations, and which of them change nothing. */
  readonly ops: Readonly<Record<string, 'reads' | 'writes'>>;
  readonly initial: State;
  /** Must not modify its arguments. `value` is the expected answer, or undefined if answers are not compared. */
  apply(state: State, operation: Operation): { readonly state: State; readonly value: unknown };
}

/** A counter that starts at 0; `increment` adds 1 and answers the new value, `get` answers the value. */
export const counterModel: SequentialModel<number> = {
  name: 'counter',
  ops: { increment: 'writes', get: 'reads' },
  initial: 0,
  apply(state, { op }) {
    const next = op === 'increment' ? state + 1 : state;
    return { state: next, value: next };
  },
};

/** A register that starts as null; `write` stores its input, with any answer, and `read` answers the last input. */
export const registerModel: SequentialModel<unknown> = {
  name: 'register',
  ops: { write: 'writes', read: 'reads' },
  initial: null,
  apply: (state, { op, input = null }) =>
    op === 'write' ? { state: input, value: undefined } : { state, value: state },
};
