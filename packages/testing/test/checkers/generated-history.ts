/** Histories that are linearizable by construction, and ways to spoil one so that it surely is not. */
import type { Operation } from '../../src/checkers/operation.ts';
import type { SequentialModel } from '../../src/checkers/sequential-model.ts';
import type { Chance } from './seeded.ts';

/** With when it took effect, in the order of which the object gave its answers; undefined for never. */
export type Effective = Operation & { readonly effectAt: number | undefined };

export interface Shape {
  readonly key: string;
  readonly operations: number;
  readonly processes: number;
  /** Share of operations whose caller never heard; half of them took effect, at any later time. */
  readonly unknown: number;
}

/** In order of effect, as the object saw them; those without effect at the end. */
export function generateHistory<S>(model: SequentialModel<S>, shape: Shape, random: Chance): Effective[] {
  const calls = Array.from({ length: shape.processes }, (_, index) =>
    callsOf(`p${index}`, model, shape, random),
  );
  const drafts = calls.flat().slice(0, shape.operations);
  const effective = drafts
    .filter(({ effectAt }) => effectAt !== undefined)
    .sort((a, b) => a.effectAt! - b.effectAt!);
  let state = model.initial;
  const answered = effective.map((draft): Effective => {
    const applied = model.apply(state, draft);
    state = applied.state;
    return draft.outcome === 'ok' && applied.value !== undefined ? { ...draft, value: applied.value } : draft;
  });
  return [...answered, ...drafts.filter(({ effectAt }) => effectAt === undefined)];
}

/** One after the other: a process has one call at a time. */
function callsOf(
  process: string,
  model: SequentialModel<never> | SequentialModel<unknown>,
  shape: Shape,
  random: Chance,
) {
  const drafts: Effective[] = [];
  let now = random.below(20);
  for (let left = Math.ceil(shape.operations / shape.processes); left > 0; left--) {
    const op = random.pick(Object.keys(model.ops));
    const invokedAt = now;
    const endedAt = invokedAt + random.below(20);
    const draft = {
      process,
      key: shape.key,
      op,
      invokedAt,
      ...(op === 'write' ? { input: `${process}-${left}` } : {}),
    };
    const dice = random.next();
    if (dice < shape.unknown) {
      // Later than everything else, at times: an update that surfaces long after its caller gave up.
      const effectAt = random.is(0.5) ? invokedAt + random.next() * (random.is(0.5) ? 20 : 500) : undefined;
      drafts.push({ ...draft, outcome: 'unknown', effectAt, ...(random.is(0.5) ? { endedAt } : {}) });
    } else if (dice < shape.unknown + 0.1) {
      drafts.push({ ...draft, outcome: 'not-executed', endedAt, effectAt: undefined });
    } else {
      const effectAt = invokedAt + random.next() * (endedAt - invokedAt);
      drafts.push({ ...draft, outcome: 'ok', endedAt, effectAt });
    }
    now = endedAt + random.below(5);
  }
  return drafts;
}

/** What was done wrong; undefined when the history has no place for it. */
export type Mutation = (history: readonly Effective[], random: Chance) => Operation[] | undefined;

const isOk = ({ outcome }: Operation): boolean => outcome === 'ok';
const isIncrement = ({ op, outcome }: Operation): boolean => op === 'increment' && outcome === 'ok';
const valueOf = ({ value }: Operation): number => value as number;

/** Histories of counters in, none of which any counter can have made out. */
export const COUNTER_MUTATIONS: Readonly<Record<string, Mutation>> = {
  /** An acknowledged increment is forgotten, and the next increment answers the same. */
  'lost update'(history, random) {
    const next = (index: number): Effective | undefined =>
      history.slice(index + 1).find(({ op, effectAt }) => op === 'increment' && effectAt !== undefined);
    const lost = pickIndex(
      history,
      (one, index) => isIncrement(one) && next(index)?.outcome === 'ok',
      random,
    );
    return lost === undefined ? undefined : shifted(history, lost, -1);
  },
  /** An increment is done twice: nobody ever answers the value between. */
  duplicate(history, random) {
    if (history.some(({ outcome }) => outcome === 'unknown')) return undefined;
    const twice = pickIndex(
      history,
      (one, index) => isIncrement(one) && history.slice(index + 1).some(isOk),
      random,
    );
    return twice === undefined ? undefined : shifted(history, twice, 1);
  },
  /** A call that was said not to be executed was. */
  'false refusal'(history, random) {
    if (history.some(({ outcome }) => outcome === 'unknown')) return undefined;
    if (!history.some(({ op, outcome }) => op === 'increment' && outcome === 'not-executed'))
      return undefined;
    const from = pickIndex(history, isOk, random);
    return from === undefined ? undefined : shifted(history, from - 1, 1);
  },
  /** A get answers less than an increment that had ended before it began. */
  'stale read'(history, random) {
    const before = (get: Operation): Effective[] =>
      history.filter((one) => isIncrement(one) && one.endedAt! < get.invokedAt);
    const stale = pickIndex(
      history,
      (one) => one.op === 'get' && isOk(one) && before(one).length > 0,
      random,
    );
    if (stale === undefined) return undefined;
    const seen = valueOf(random.pick(before(history[stale]!)));
    return history.map((one, index) => (index === stale ? { ...one, value: random.below(seen) } : one));
  },
  /** Two increments, one of which ended before the other began, change their answers. */
  reordered(history, random) {
    const after = (one: Operation): Effective[] =>
      history.filter((other) => isIncrement(other) && one.endedAt! < other.invokedAt);
    const first = pickIndex(history, (one) => isIncrement(one) && after(one).length > 0, random);
    if (first === undefined) return undefined;
    const [a, b] = [history[first]!, random.pick(after(history[first]!))];
    return history.map((one) =>
      one === a ? { ...a, value: b.value } : one === b ? { ...b, value: a.value } : one,
    );
  },
};

/** Histories of registers in which every write has a value of its own. */
export const REGISTER_MUTATIONS: Readonly<Record<string, Mutation>> = {
  /** A read answers what was overwritten before it began. */
  'stale read'(history, random) {
    const old = (read: Operation): Effective[] => {
      const writes = history.filter((one) => one.op === 'write' && isOk(one));
      const over = writes.filter(({ endedAt }) => endedAt! < read.invokedAt);
      return writes.filter((one) => over.some(({ invokedAt }) => one.endedAt! < invokedAt));
    };
    const stale = pickIndex(history, (one) => one.op === 'read' && isOk(one) && old(one).length > 0, random);
    if (stale === undefined) return undefined;
    const value = random.pick(old(history[stale]!)).input;
    return history.map((one, index) => (index === stale ? { ...one, value } : one));
  },
  /** A read answers what is written only later. */
  'read from the future'(history, random) {
    const later = (read: Operation): Effective[] =>
      history.filter((one) => one.op === 'write' && one.invokedAt > read.endedAt!);
    const early = pickIndex(
      history,
      (one) => one.op === 'read' && isOk(one) && later(one).length > 0,
      random,
    );
    if (early === undefined) return undefined;
    const value = random.pick(later(history[early]!)).input;
    return history.map((one, index) => (index === early ? { ...one, value } : one));
  },
};

/** Answers after `index` are `by` more. */
function shifted(history: readonly Effective[], index: number, by: number): Operation[] {
  return history.map((one, at) => (at > index && isOk(one) ? { ...one, value: valueOf(one) + by } : one));
}

function pickIndex(
  history: readonly Effective[],
  fits: (one: Effective, index: number) => boolean,
  random: Chance,
): number | undefined {
  const indices = [...history.keys()].filter((index) => fits(history[index]!, index));
  return indices.length === 0 ? undefined : random.pick(indices);
}
