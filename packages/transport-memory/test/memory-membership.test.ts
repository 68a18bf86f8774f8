import { TIMINGS } from '@clstr/core';
import { CONFIG_KEY } from '@clstr/core/store';
import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { memoryCluster } from '../src/memory-cluster.ts';
import { createMemoryStore, memoryMembership } from '../src/index.ts';

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

describe('memoryMembership', () => {
  test('has the fast timing and plain placement by default, and is frozen', () => {
    const membership = memoryMembership();
    expect(membership).toMatchObject({ name: 'memory', timing: TIMINGS.fast, placement: 'rendezvous' });
    expect(Object.isFrozen(membership)).toBe(true);
  });

  test('uses what is given', async () => {
    const timing = { ...TIMINGS.default, maxMoving: 1 };
    expect(memoryMembership({ timing: 'default', placement: 'bounded' })).toMatchObject({
      timing: TIMINGS.default,
      placement: 'bounded',
    });
    expect(memoryMembership({ timing }).timing).toEqual(timing);
  });

  test('shares one store among all that open it, and with other memberships of that store', async () => {
    const alone = memoryMembership();
    const [one, two] = [await alone.open(), await alone.open()];
    expect(await one.cas(CONFIG_KEY, 0, 'x', 1_000)).toEqual({ kind: 'acked', revision: 1 });
    expect(await two.read(CONFIG_KEY, 1_000)).toMatchObject({ value: 'x' });
    expect(await (await memoryMembership().open()).read(CONFIG_KEY, 1_000)).toBeUndefined();

    const store = createMemoryStore();
    const [three, four] = await Promise.all([1, 2].map(() => memoryMembership({ store }).open()));
    await three!.cas(CONFIG_KEY, 0, 'y', 1_000);
    expect(await four!.read(CONFIG_KEY, 1_000)).toMatchObject({ value: 'y' });
  });

  test('gives its connections the name of the member, or one of their own', async () => {
    const members: string[] = [];
    const store = createMemoryStore({
      policy: {
        onOperation({ member }) {
          members.push(member);
          return {};
        },
      },
    });
    const named = memoryMembership({ store, member: 'node-a' });
    const nameless = memoryMembership({ store });
    for (const membership of [named, named, nameless, nameless]) {
      await (await membership.open()).list(1_000);
    }
    expect(members).toEqual(['node-a', 'node-a', 'member-1', 'member-2']);
  });

  test('cannot be opened by a member that is cut off', async () => {
    const store = createMemoryStore();
    const membership = memoryMembership({ store, member: 'a' });
    store.cut('a');
    await expect(membership.open()).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
    store.restore('a');
    expect((await membership.open()).isConnected).toBe(true);
  });

  test('measures time-outs with the clock of the member', async () => {
    const [clock, own] = [fakeClock(), fakeClock()];
    const store = createMemoryStore({ clock, policy: { onOperation: () => ({ answer: 'lost' }) } });
    const opened = await memoryMembership({ store, clock: own }).open();
    const outcome = opened.cas(CONFIG_KEY, 0, 'x', 100);
    await clock.advance(1_000);
    expect([clock.timerCount, own.timerCount]).toEqual([0, 1]);
    await own.advance(100);
    expect(await outcome).toEqual({ kind: 'unknown' });
    expect(own.timerCount).toBe(0);
  });

  test.each([
    [{ timings: 'fast' }, /^memoryMembership: unknown option "timings"; known: /],
    [
      { timing: 'quick' },
      /^memoryMembership: timing must be one of default, datacenter, fast, .* got "quick"$/,
    ],
    [{ timing: { ...TIMINGS.fast, leaseMs: NaN } }, /timing.leaseMs must be .* got NaN$/],
    [{ timing: { ...TIMINGS.fast, expiryMs: 2_000 } }, /timing must keep expiryMs >= /],
    [{ timing: 5 }, /timing: options must be an object, got 5$/],
    [{ placement: 'random' }, /placement must be 'rendezvous' or 'bounded', got "random"$/],
    [{ placement: 5 }, /placement must be .* got 5$/],
    [{ store: {} }, /store must be an object with a method connect\(\), got an object$/],
    [{ member: '' }, /member must be a name, got ""$/],
    [{ clock: {} }, /clock must be an object with a method monoMs\(\), got an object$/],
    [null, /options must be an object, got null$/],
  ])('refuses %o', (options, message) => {
    expect(() => memoryMembership(options as object)).toThrow(refusal(message));
  });
});

describe('createMemoryStore', () => {
  test.each([
    [{ size: 1 }, /^createMemoryStore: unknown option "size"/],
    [{ clock: null }, /clock must be an object with a method monoMs\(\), got null$/],
    [{ policy: () => 0 }, /policy: options must be an object, got a function$/],
    [{ policy: { onWrite() {} } }, /policy: unknown option "onWrite"/],
    [{ maxHistory: -1 }, /maxHistory must be a whole number from 0 to .* got -1$/],
    [{ maxHistory: 1.5 }, /maxHistory .* got 1.5$/],
  ])('refuses %o', (options, message) => {
    expect(() => createMemoryStore(options as object)).toThrow(refusal(message));
  });
});

test('the members of the default service meet, whether they name it or not, and those of another one apart', async () => {
  const cluster = memoryCluster({ numShards: 1 });
  const [unnamed, named, other] = await Promise.all(
    [undefined, 'default', 'other'].map((service) => cluster.membership(service).open()),
  );
  expect(await unnamed!.cas('h.n1', 0, 'beat', 1_000)).toMatchObject({ kind: 'acked' });
  expect(await named!.read('h.n1', 1_000)).toMatchObject({ value: 'beat' });
  expect(await other!.read('h.n1', 1_000)).toBeUndefined();
});
