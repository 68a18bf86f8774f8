/** An actor whose every step a test can hold, and that writes down what happens in which order. */
import { defineActor, notify, request } from '@clstr/actors';
import type { Actor, ActorContext, DiscardReason, Implementation, PassivateReason } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';

export const Cell = defineActor('cell', {
  write: request<string, string>(),
  read: request<string, string>({ readonly: true }),
  tell: notify<string>(),
});

export interface CellState {
  readonly life: number;
  readonly written: string[];
}

type CellImplementation = Implementation<typeof Cell.methods, CellState>;

export interface CellScript {
  readonly actor: Actor;
  /** `+name` when a step begins, `-name` when it ends. */
  readonly events: string[];
  readonly setups: number;
  /** Holds the step of this name, `setup`, `passivate` and `discard` included, from its next run on. */
  hold(step: string): Deferred<void>;
  /** Makes the step of this name throw at once, from its next run on; `undefined` makes it work again. */
  break(step: string, error: Error | undefined): void;
  /** The context that a step was given last. */
  context(step: string): ActorContext & { readonly reason: PassivateReason | DiscardReason };
  /** The state that `setup` made last. */
  state(): CellState;
}

/** A step that is neither held nor broken ends in the very call that begins it. */
export function cell(more: Partial<CellImplementation> = {}): CellScript {
  const events: string[] = [];
  const gates = new Map<string, Deferred<void>>();
  const errors = new Map<string, Error>();
  const contexts = new Map<string, unknown>();
  const states: CellState[] = [];
  function step<T>(name: string, context: unknown, end: () => T): T | Promise<T> {
    contexts.set(name, context);
    events.push(`+${name}`);
    const error = errors.get(name);
    if (error !== undefined) throw error;
    const gate = gates.get(name);
    const finish = (): T => {
      events.push(`-${name}`);
      return end();
    };
    return gate === undefined ? finish() : gate.promise.then(finish);
  }
  const write = (state: CellState, name: string, context: unknown): string | Promise<string> =>
    step(name, context, () => {
      state.written.push(name);
      return name;
    });
  let setups = 0;
  const actor = Cell.implement<CellState>({
    setup: (context) =>
      step('setup', context, () => {
        states.push({ life: states.length + 1, written: [] });
        return states.at(-1)!;
      }),
    handlers: { write, read: write, tell: write },
    passivate: (_state, context) => step('passivate', context, () => undefined),
    discard: (_state, context) => step('discard', context, () => undefined),
    ...more,
  });
  return {
    actor: { ...actor, setup: (context) => (setups++, actor.setup(context)) },
    events,
    get setups() {
      return setups;
    },
    hold(name) {
      const gate = deferred();
      gates.set(name, gate);
      void gate.promise.then(
        () => gates.get(name) === gate && gates.delete(name),
        () => gates.get(name) === gate && gates.delete(name),
      );
      return gate;
    },
    break(name, error) {
      if (error === undefined) errors.delete(name);
      else errors.set(name, error);
    },
    context: (name) => contexts.get(name) as never,
    state: () => states.at(-1)!,
  };
}
