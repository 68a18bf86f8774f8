import { describe, expect, test } from 'vitest';
import { Placing } from '../../src/cluster/placing.ts';
import { skewedClock } from './skewed-clock.ts';

/** Of the size that lets two nodes be placed in one turn. */
const HALF_A_TURN = 4_096;

function start(numShards = HALF_A_TURN) {
  const clock = skewedClock();
  const events: string[] = [];
  const turns: (() => void)[] = [];
  clock.macrotask = (fn) => void turns.push(fn);
  const placement = {
    addNode: (id: string, weight: number) => void events.push(`add ${id} ${weight}`),
    removeNode: (id: string) => void events.push(`remove ${id}`),
    ownerOf: () => undefined,
    shardsOf: () => [],
  };
  const placing = new Placing({
    placement,
    numShards,
    clock,
    onPlaced: () => events.push(`placed ${placing.isDone}`),
  });
  /** What happened in the next turn. */
  const nextTurn = (): string[] => {
    events.length = 0;
    for (const fn of turns.splice(0)) fn();
    return events;
  };
  return { placing, events, turns, nextTurn };
}

describe('members are placed', () => {
  test('at once while they are few, and each is reported', () => {
    const { placing, events } = start(1_024);
    placing.set('a', 1);
    placing.set('b', 2);
    placing.set('a', undefined);
    expect(events).toEqual(['add a 1', 'placed true', 'add b 2', 'placed true', 'remove a', 'placed true']);
  });

  test('as many in a turn as a turn has room for, and reported once all are', () => {
    const { placing, events, nextTurn } = start();
    for (const id of ['a', 'b', 'c', 'd', 'e']) placing.set(id, 1);
    expect(events).toEqual(['add a 1', 'placed true', 'add b 1', 'placed true']);
    expect(placing.isDone).toBe(false);
    expect(nextTurn()).toEqual(['add c 1', 'add d 1']);
    expect(placing.isDone).toBe(false);
    expect(nextTurn()).toEqual(['add e 1', 'placed true']);
    expect(nextTurn()).toEqual([]);
  });

  test('one in a turn where one is too many already', () => {
    const { placing, events, nextTurn } = start(65_536);
    placing.set('a', 1);
    placing.set('b', 1);
    expect(events).toEqual(['add a 1', 'placed true']);
    expect(nextTurn()).toEqual(['add b 1', 'placed true']);
  });

  test('as they are by then, when they change while they wait', () => {
    const { placing, events, nextTurn } = start();
    for (const id of ['a', 'b', 'c', 'd']) placing.set(id, 1);
    placing.set('c', undefined);
    placing.set('d', 3);
    placing.set('a', undefined);
    placing.set('a', 1);
    events.length = 0;
    expect(nextTurn()).toEqual(['add d 3', 'placed true']);
  });

  test('anew with another weight, and not at all when nothing has changed', () => {
    const { placing, events } = start(1_024);
    placing.set('a', 1);
    placing.set('a', 1);
    placing.set('b', undefined);
    placing.set('a', 2);
    expect(events).toEqual(['add a 1', 'placed true', 'remove a', 'add a 2', 'placed true']);
  });

  test('no more once the run has ended', () => {
    const { placing, nextTurn, turns } = start();
    for (const id of ['a', 'b', 'c']) placing.set(id, 1);
    placing.end();
    expect(placing.isDone).toBe(true);
    expect(nextTurn()).toEqual([]);
    expect(turns).toEqual([]);
  });
});
