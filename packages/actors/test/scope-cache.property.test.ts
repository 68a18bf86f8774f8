/** Random schedules of calls, failures and disposals against an oracle that knows only what the user sees. */
import { isClstrError } from '@clstr/core';
import { scopedHandler } from '@clstr/actors/keyed';
import { deferred } from '@clstr/testing';
import type { Deferred } from '@clstr/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contextOf, microtasks, requestOf } from './handler-call.ts';
import type { TestContext } from './handler-call.ts';

type State = 'creating' | 'live' | 'disposing' | 'gone';

interface Model {
  readonly scope: string;
  state: State;
  calls: number;
  disposals: number;
  /** When its last call ended, in steps of a counter. */
  idleSince: number;
}

interface Call {
  readonly scope: string;
  readonly context: TestContext;
  handledBy: Model[];
  result: 'pending' | 'handled' | 'failed' | 'create failed' | 'overloaded' | 'gave up';
}

class World {
  readonly cacheSize: number;
  readonly instances: Model[] = [];
  readonly calls: Call[] = [];
  readonly creating: { gate: Deferred<void>; model: Model }[] = [];
  readonly handling: { gate: Deferred<void>; call: Call }[] = [];
  readonly disposing: { gate: Deferred<void>; model: Model }[] = [];
  readonly handler;
  /** Scopes whose next instance holds a place already, though it waits for the dispose of the one before. */
  readonly promised = new Set<string>();
  isClosing = false;
  /** What went wrong inside a function of the user, where a throw would only be another event. */
  readonly broken: unknown[] = [];
  #step = 0;

  constructor(cacheSize: number) {
    this.cacheSize = cacheSize;
    this.handler = scopedHandler({
      cacheSize,
      extract: (request) => (request.payload as Call).scope,
      create: async (scope) => {
        const model: Model = { scope, state: 'creating', calls: 0, disposals: 0, idleSince: 0 };
        this.instances.push(model);
        this.promised.delete(scope);
        this.checkInside();
        const held = deferred();
        this.creating.push({ gate: held, model });
        try {
          await held.promise;
        } catch (error) {
          model.state = 'gone';
          throw error;
        }
        model.state = 'live';
        model.idleSince = ++this.#step;
        return {
          handle: (request) => this.#handle(model, request.payload as Call),
          dispose: () => this.#dispose(model),
        };
      },
    });
  }

  call(scope: string): void {
    const call: Call = { scope, context: contextOf(), handledBy: [], result: 'pending' };
    this.calls.push(call);
    const run = async (): Promise<unknown> =>
      this.handler(requestOf(undefined, { payload: call }), call.context);
    run().then(
      () => {
        call.result = 'handled';
      },
      (error: unknown) => {
        const { message } = error as Error;
        if (isClstrError(error, 'OVERLOADED')) call.result = 'overloaded';
        else if (message === 'gave up') call.result = 'gave up';
        else call.result = message === 'create' ? 'create failed' : 'failed';
      },
    );
  }

  async #handle(model: Model, call: Call): Promise<void> {
    this.checkInside(() => {
      expect(model.state).toBe('live');
      expect(model.scope).toBe(call.scope);
      expect(call.context.signal.aborted).toBe(false);
    });
    call.handledBy.push(model);
    model.calls++;
    const held = deferred();
    this.handling.push({ gate: held, call });
    try {
      await held.promise;
    } finally {
      model.calls--;
      model.idleSince = ++this.#step;
    }
  }

  async #dispose(model: Model): Promise<void> {
    this.checkInside(() => {
      expect(model.state).toBe('live');
      expect(model.calls).toBe(0);
    });
    model.state = 'disposing';
    model.disposals++;
    this.checkInside();
    const held = deferred();
    this.disposing.push({ gate: held, model });
    try {
      await held.promise;
    } finally {
      model.state = 'gone';
    }
  }

  inState(...states: State[]): Model[] {
    return this.instances.filter(({ state }) => states.includes(state));
  }

  /** {@link check}, from inside a function of the user. */
  checkInside(more: () => void = () => {}): void {
    try {
      more();
      this.check();
    } catch (error) {
      this.broken.push(error);
    }
  }

  check(): void {
    expect(this.broken).toEqual([]);
    const alive = this.inState('creating', 'live', 'disposing');
    const scopes = alive.map(({ scope }) => scope);
    expect(new Set(scopes).size).toBe(scopes.length);
    expect(this.inState('creating', 'live').length).toBeLessThanOrEqual(this.cacheSize);
    // A close disposes everything at once, on top of what was leaving before.
    const leaving = this.cacheSize * (this.isClosing ? 2 : 1);
    expect(this.inState('disposing').length).toBeLessThanOrEqual(leaving);
    for (const { disposals } of this.instances) expect(disposals).toBeLessThanOrEqual(1);
    for (const { handledBy } of this.calls) expect(handledBy.length).toBeLessThanOrEqual(1);
  }
}

type Step =
  | { do: 'call'; scope: string }
  | { do: 'give up'; pick: number }
  | { do: 'create' | 'handle' | 'dispose'; pick: number; fails: boolean };

const pick = fc.nat(1_000);
const fails = fc.boolean();
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('call' as const),
        scope: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('create' as const), pick, fails }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('handle' as const), pick, fails }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('dispose' as const), pick, fails }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('give up' as const), pick }) },
  ),
  { minLength: 40, maxLength: 80 },
);

function take<T>(items: T[], at: number): T | undefined {
  return items.splice(at % Math.max(1, items.length), 1)[0];
}

function settle(held: Deferred<void>, error: Error | undefined): void {
  if (error === undefined) held.resolve();
  else held.reject(error);
}

async function play(world: World, step: Step): Promise<void> {
  switch (step.do) {
    case 'call': {
      await checkedCall(world, step.scope);
      break;
    }
    case 'give up':
      take([...world.calls], step.pick)?.context.abort(new Error('gave up'));
      break;
    case 'create': {
      const next = take(world.creating, step.pick);
      if (next !== undefined) settle(next.gate, step.fails ? new Error('create') : undefined);
      break;
    }
    case 'handle': {
      const next = take(world.handling, step.pick);
      if (next !== undefined) settle(next.gate, step.fails ? new Error('handle') : undefined);
      break;
    }
    case 'dispose': {
      const next = take(world.disposing, step.pick);
      if (next !== undefined) settle(next.gate, step.fails ? new Error('dispose') : undefined);
      break;
    }
  }
  await microtasks();
  world.check();
}

/** A call made while nothing moves: the oracle knows whether it fits, and who leaves for it. */
async function checkedCall(world: World, scope: string): Promise<void> {
  const here = new Set([...world.inState('creating', 'live').map((model) => model.scope), ...world.promised]);
  const idle = world.inState('live').filter(({ calls }) => calls === 0);
  const isFull = !here.has(scope) && here.size >= world.cacheSize;
  const isRefused = isFull && (idle.length === 0 || world.inState('disposing').length >= world.cacheSize);
  const oldest = idle.sort((a, b) => a.idleSince - b.idleSince)[0];
  const disposals = world.instances.map((model) => model.disposals);
  if (!isRefused && !here.has(scope)) world.promised.add(scope);
  world.call(scope);
  await microtasks();
  expect(world.calls.at(-1)!.result === 'overloaded').toBe(isRefused);
  const evicted = world.instances.filter((model, i) => model.disposals > (disposals[i] ?? 0));
  expect(evicted).toEqual(isFull && !isRefused ? [oldest] : []);
}

test(
  'holds its promises for any schedule of calls, failures and disposals',
  { timeout: 60_000 },
  async () => {
    const reached = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (cacheSize, schedule) => {
        const world = new World(cacheSize);
        for (const step of schedule) await play(world, step);

        world.isClosing = true;
        const closing = world.handler.close();
        // Whatever is still held is let go, and so is what that starts.
        for (let i = 0; i < 4; i++) {
          for (const { gate: held } of [
            ...world.creating.splice(0),
            ...world.handling.splice(0),
            ...world.disposing.splice(0),
          ]) {
            held.resolve();
          }
          await microtasks();
          world.check();
        }
        await closing;

        expect(world.inState('creating', 'live', 'disposing')).toEqual([]);
        for (const call of world.calls) {
          expect(call.result).not.toBe('pending');
          const wasHandled = call.result === 'handled' || call.result === 'failed';
          expect(call.handledBy).toHaveLength(wasHandled ? 1 : 0);
          reached.set(call.result, (reached.get(call.result) ?? 0) + 1);
        }
      }),
      { numRuns: 200 },
    );
    console.log(`calls by result: ${JSON.stringify(Object.fromEntries(reached))}`);
    expect([...reached.keys()].sort()).toEqual([
      'create failed',
      'failed',
      'gave up',
      'handled',
      'overloaded',
    ]);
  },
);
