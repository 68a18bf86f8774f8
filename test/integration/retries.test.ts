/** Retries through real apps: how many calls survive refusals, and how much load the repeats add. */
import { defineActor, request } from '@clstr/actors';
import { connectClient, createApp } from '@clstr/app';
import { ClstrError, isClstrError } from '@clstr/core';
import type { NodeInterceptor, Retry } from '@clstr/core';
import { asRefusal } from '@clstr/core/handler';
import { memoryCluster } from '@clstr/transport-memory';
import { handleWhen, retry as cockatielRetry } from 'cockatiel';
import { describe, expect, test } from 'vitest';

const run = request<void, string>({ idempotent: true });
/** Each is a service of its own, as in a company: its callers have a budget for it alone. */
const Outer = defineActor('outer', { run }, { service: 'outer' });
const Middle = defineActor('middle', { run }, { service: 'middle' });
const Inner = defineActor('inner', { run }, { service: 'inner' });

const actors = [
  Outer.implement({
    setup: () => ({}),
    handlers: { run: (_state, _input, ctx) => ctx.ref(Middle, ctx.key).run() },
  }),
  Middle.implement({
    setup: () => ({}),
    handlers: { run: (_state, _input, ctx) => ctx.ref(Inner, ctx.key).run() },
  }),
  Inner.implement({ setup: () => ({}), handlers: { run: () => 'done' } }),
];

/** Refuses a share of the attempts of some types, evenly. */
function share(of: number, types: RegExp): (type: string) => boolean {
  let due = 0;
  return (type) => {
    if (types.test(type)) due += of;
    if (due < 1) return false;
    due--;
    return true;
  };
}

/** An app whose nodes refuse attempts before they run. */
async function start(retry: Retry, refuses: (type: string, attempt: number) => boolean) {
  const attempts = new Map<string, number>();
  const refusing: NodeInterceptor = (message, _context, next) => {
    const { type } = message;
    const attempt = (attempts.get(type) ?? 0) + 1;
    attempts.set(type, attempt);
    if (!refuses(type, attempt)) return next(message);
    throw asRefusal(new ClstrError('OVERLOADED', 'injected', { details: { retryAfterMs: 5 } }));
  };
  const cluster = memoryCluster({ timing: 'default' });
  const app = await createApp({
    cluster,
    actors,
    signals: [],
    logger: false,
    client: { retry, ...TIMEOUTS },
    node: { interceptors: [refusing] },
  });
  const client = await connectClient({ cluster, retry, service: 'outer', logger: false, ...TIMEOUTS });
  return {
    attempts,
    client,
    close: async () => {
      await client.close();
      await app.close();
    },
  };
}

const CALLS = 5_000;
/** Calls outlast a machine that is busy with other things; so do the tests. */
const TIMEOUTS = { timeoutMs: 60_000 };
const TEST_TIMEOUT_MS = 120_000;

/** Calls actors in groups, as a service under load does; returns how many were answered. */
async function callMany(call: (key: string) => Promise<string>): Promise<number> {
  let answered = 0;
  for (let first = 0; first < CALLS; first += 500) {
    const group = Array.from({ length: 500 }, (_, i) => call(`key-${first + i}`));
    for (const end of await Promise.allSettled(group)) if (end.status === 'fulfilled') answered++;
  }
  return answered;
}

test(
  'of calls of which 5 % are refused before they run, 99.99 % succeed within their deadline',
  { timeout: TEST_TIMEOUT_MS },
  async () => {
    const { client, attempts, close } = await start('aggressive', share(0.05, /^inner/));
    const answered = await callMany((key) => Inner.ref(client, key).run());
    expect(answered).toBeGreaterThanOrEqual(0.9999 * CALLS);
    expect(attempts.get('inner.run')).toBeGreaterThan(1.04 * CALLS);
    expect(attempts.get('inner.run')).toBeLessThan(1.06 * CALLS);
    await close();
  },
);

describe(
  'when half of the attempts are refused, a chain of three actors',
  { timeout: TEST_TIMEOUT_MS },
  () => {
    test.each([
      ['by the innermost', /^inner/],
      ['by each', /./],
    ])(
      '%s: the innermost node sees at most a fifth more attempts than there were outer calls',
      async (_, types) => {
        const { client, attempts, close } = await start('aggressive', share(0.5, types));
        const sinceMs = performance.now();
        await callMany((key) => Outer.ref(client, key).run());
        // A fifth, and the ten a second of ten seconds before and of the time that it took: 1.24 in two seconds.
        const bound = 1.2 * CALLS + 100 + (performance.now() - sinceMs) / 100;
        expect(attempts.get('outer.run')).toBeGreaterThanOrEqual(CALLS);
        expect(attempts.get('inner.run')).toBeLessThanOrEqual(bound);
        expect(attempts.get('outer.run')).toBeLessThanOrEqual(bound);
        await close();
      },
    );

    test('in which a node serves a repeated attempt: its handler repeats no call on its own account', async () => {
      const always = await start('standard', (type) => type === 'middle.run');
      await expect(Outer.ref(always.client, 'k').run()).rejects.toMatchObject({ code: 'HANDLER_ERROR' });
      expect(Object.fromEntries(always.attempts)).toEqual({ 'outer.run': 1, 'middle.run': 3 });
      await always.close();
      const both = await start('standard', (type, attempt) => type === 'middle.run' || attempt === 1);
      await expect(Outer.ref(both.client, 'k').run()).rejects.toMatchObject({ code: 'HANDLER_ERROR' });
      expect(Object.fromEntries(both.attempts)).toEqual({ 'outer.run': 2, 'middle.run': 1 });
      await both.close();
    });
  },
);

test(
  'a policy of cockatiel wraps a call, as the page about retries says',
  { timeout: TEST_TIMEOUT_MS },
  async () => {
    const { client, attempts, close } = await start({ maxAttempts: 1 }, (_type, attempt) => attempt < 3);
    const policy = cockatielRetry(
      handleWhen((error) => isClstrError(error) && error.retryable),
      { maxAttempts: 2 },
    );
    const answer = await policy.execute(({ signal }) => Inner.ref(client, 'k').run(undefined, { signal }));
    expect([answer, attempts.get('inner.run')]).toEqual(['done', 3]);
    await close();
  },
);
