import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Mailbox } from '../src/mailbox.ts';
import type { Turn } from '../src/mailbox.ts';

class TestTurn implements Turn<TestTurn> {
  readonly name: number;
  readonly isReadonly: boolean;
  readonly expectedMs: number;
  isWaiting = false;
  next: TestTurn | undefined = undefined;
  previous: TestTurn | undefined = undefined;

  constructor(name: number, isReadonly = false, expectedMs = 0) {
    this.name = name;
    this.isReadonly = isReadonly;
    this.expectedMs = expectedMs;
  }
}

const writer = (name: number): TestTurn => new TestTurn(name);
const reader = (name: number): TestTurn => new TestTurn(name, true);

function openMailbox(...turns: TestTurn[]): Mailbox<TestTurn> {
  const mailbox = new Mailbox<TestTurn>({ depth: 0 });
  mailbox.isOpen = true;
  for (const turn of turns) mailbox.push(turn);
  return mailbox;
}

/** Takes out what may run now and starts it. */
function startAll(mailbox: Mailbox<TestTurn>): number[] {
  const started: number[] = [];
  for (let turn = mailbox.next(); turn !== undefined; turn = mailbox.next()) {
    mailbox.started(turn.isReadonly);
    started.push(turn.name);
  }
  return started;
}

describe('a mailbox', () => {
  test('counts its waiting turns together with those of the others', () => {
    const all = { depth: 0 };
    const [one, two] = [new Mailbox<TestTurn>(all), new Mailbox<TestTurn>(all)];
    const gone = writer(2);
    for (const turn of [writer(1), gone, writer(3)]) one.push(turn);
    two.push(writer(4));
    expect(all.depth).toBe(4);
    one.isOpen = true;
    startAll(one);
    one.remove(gone);
    one.remove(gone);
    expect(all.depth).toBe(2);
    one.takeAll();
    expect([all.depth, one.size, two.size]).toEqual([1, 0, 1]);
  });

  test('knows how long its turns will run, without those that only read', () => {
    const mailbox = new Mailbox<TestTurn>({ depth: 0 });
    const [one, two] = [new TestTurn(1, false, 0.1), new TestTurn(2, false, 0.2)];
    for (const turn of [one, two, new TestTurn(3, true, 50)]) mailbox.push(turn);
    expect(mailbox.expectedMs).toBeCloseTo(0.3);
    mailbox.remove(one);
    mailbox.remove(one);
    expect(mailbox.expectedMs).toBeCloseTo(0.2);
    mailbox.takeAll();
    expect(mailbox.expectedMs).toBe(0);
  });

  test('gives turns out in the order they came, one at a time', () => {
    const mailbox = openMailbox(writer(1), writer(2));
    expect(startAll(mailbox)).toEqual([1]);
    mailbox.ended(false);
    expect(startAll(mailbox)).toEqual([2]);
    mailbox.ended(false);
    expect(startAll(mailbox)).toEqual([]);
  });

  test('is shut at first: turns wait, and none may run', () => {
    const mailbox = new Mailbox<TestTurn>({ depth: 0 });
    expect(mailbox.canRun(false)).toBe(false);
    mailbox.push(writer(1));
    expect(mailbox.next()).toBeUndefined();
    mailbox.isOpen = true;
    expect(startAll(mailbox)).toEqual([1]);
  });

  test('lets readers that came one after the other run together', () => {
    expect(startAll(openMailbox(reader(1), reader(2), reader(3)))).toEqual([1, 2, 3]);
  });

  test('lets no reader overtake a writer that waits', () => {
    const mailbox = openMailbox(reader(1), writer(2), reader(3));
    expect(startAll(mailbox)).toEqual([1]);
    expect(mailbox.canRun(true)).toBe(false);
    mailbox.ended(true);
    expect(startAll(mailbox)).toEqual([2]);
    expect(startAll(mailbox)).toEqual([]);
    mailbox.ended(false);
    expect(startAll(mailbox)).toEqual([3]);
  });

  test('lets a writer run only when the last reader has ended', () => {
    const mailbox = openMailbox(reader(1), reader(2), writer(3));
    startAll(mailbox);
    mailbox.ended(true);
    expect(startAll(mailbox)).toEqual([]);
    mailbox.ended(true);
    expect(startAll(mailbox)).toEqual([3]);
  });

  test('knows what may run at once: anything when idle, readers with readers, nothing with a writer', () => {
    const mailbox = openMailbox();
    expect([mailbox.canRun(true), mailbox.canRun(false)]).toEqual([true, true]);
    mailbox.started(true);
    expect([mailbox.canRun(true), mailbox.canRun(false)]).toEqual([true, false]);
    mailbox.ended(true);
    mailbox.started(false);
    expect([mailbox.canRun(true), mailbox.canRun(false)]).toEqual([false, false]);
  });

  test('says whether something runs', () => {
    const mailbox = openMailbox();
    expect(mailbox.isRunning).toBe(false);
    mailbox.started(true);
    expect(mailbox.isRunning).toBe(true);
    mailbox.ended(true);
    mailbox.started(false);
    expect(mailbox.isRunning).toBe(true);
    mailbox.ended(false);
    expect(mailbox.isRunning).toBe(false);
  });

  test.each([
    ['first', 0, [2, 3]],
    ['in the middle', 1, [1, 3]],
    ['last', 2, [1, 2]],
  ])('takes out the turn that waits %s', (_where, index, left) => {
    const turns = [reader(1), reader(2), reader(3)];
    const mailbox = openMailbox(...turns);
    expect(mailbox.remove(turns[index]!)).toBe(true);
    expect(mailbox.remove(turns[index]!)).toBe(false);
    expect(mailbox.size).toBe(2);
    expect(startAll(mailbox)).toEqual(left);
  });

  test('does not take out a turn that runs, or that was never in it', () => {
    const turn = writer(1);
    const mailbox = openMailbox(turn);
    startAll(mailbox);
    expect(mailbox.remove(turn)).toBe(false);
    expect(mailbox.remove(writer(2))).toBe(false);
    expect(mailbox.size).toBe(0);
  });

  test('takes a turn back that it gave out before', () => {
    const turn = writer(1);
    const mailbox = openMailbox(turn);
    startAll(mailbox);
    mailbox.ended(false);
    mailbox.push(turn);
    expect(startAll(mailbox)).toEqual([1]);
  });
});

type Step = { kind: 'push'; isReadonly: boolean } | { kind: 'end' | 'remove'; which: number };

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('push' as const), isReadonly: fc.boolean() }),
    fc.record({ kind: fc.constantFrom('end' as const, 'remove' as const), which: fc.nat(100) }),
  ),
  { maxLength: 60 },
);

test('a mailbox does what a plain list would, for any order of arrivals, ends and removals', () => {
  fc.assert(
    fc.property(steps, (script: Step[]) => {
      const mailbox = openMailbox();
      const turns: TestTurn[] = [];
      let waiting: TestTurn[] = [];
      let running: TestTurn[] = [];
      for (const step of script) {
        if (step.kind === 'push') {
          const turn = new TestTurn(turns.length, step.isReadonly);
          turns.push(turn);
          waiting.push(turn);
          mailbox.push(turn);
        } else if (step.kind === 'remove' && turns.length > 0) {
          const turn = turns[step.which % turns.length]!;
          expect(mailbox.remove(turn)).toBe(waiting.includes(turn));
          waiting = waiting.filter((other) => other !== turn);
        } else if (step.kind === 'end' && running.length > 0) {
          const turn = running[step.which % running.length]!;
          mailbox.ended(turn.isReadonly);
          running = running.filter((other) => other !== turn);
        }
        const expected: TestTurn[] = [];
        const fits = (turn: TestTurn): boolean =>
          running.length === 0 || (turn.isReadonly && running.every((other) => other.isReadonly));
        while (waiting[0] !== undefined && fits(waiting[0])) {
          running.push(waiting[0]);
          expected.push(waiting.shift()!);
        }
        expect(startAll(mailbox)).toEqual(expected.map((turn) => turn.name));
        expect(mailbox.size).toBe(waiting.length);
        expect(mailbox.first).toBe(waiting[0]);
        expect(mailbox.isRunning).toBe(running.length > 0);
      }
    }),
  );
});
