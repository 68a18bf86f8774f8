/** What an object does when operations come one at a time: the yardstick of linearizability. */
import type { Operation } from './operation.ts';

export interface SequentialModel<State> {
  readonly name: string;
  /** The names of all operations, and which of them change nothing. */
  readonly ops: Readonly<Record<string, 'reads' | 'writes'>>;
  readonly initial: State;
  /** Must change nothing it is given. `value`: what is answered; undefined where no answer is to be compared. */
  apply(state: State, operation: Operation): { readonly state: State; readonly value: unknown };
}

/** Starts at 0; `increment` adds 1 and answers the new value, `get` answers the value. */
export const counterModel: SequentialModel<number> = {
  name: 'counter',
  ops: { increment: 'writes', get: 'reads' },
  initial: 0,
  apply(state, { op }) {
    const next = op === 'increment' ? state + 1 : state;
    return { state: next, value: next };
  },
};

/** Starts as null; `write` stores its input and its answer is not looked at, `read` answers what was stored last. */
export const registerModel: SequentialModel<unknown> = {
  name: 'register',
  ops: { write: 'writes', read: 'reads' },
  initial: null,
  apply: (state, { op, input = null }) =>
    op === 'write' ? { state: input, value: undefined } : { state, value: state },
};
