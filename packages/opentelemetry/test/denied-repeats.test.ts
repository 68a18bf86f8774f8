/** A call that could be repeated and is not: its span says what decided against it. */
import { SpanKind } from '@opentelemetry/api';
import { defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { Retry } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, onTestFinished, test } from 'vitest';
import { openTelemetryTracing } from '../src/index.ts';
import { createRecorder } from './recorder.ts';

const Desk = defineActor('desk', {
  /** Holds the desk until the test lets go of it. */
  hold: request<void, void>(),
  ask: request<void, void>(),
  /** Asks the desk of the key that is given. */
  askAt: request<string, void>(),
});

/** Full desks: each is held, and has no room for a second message that waits. */
async function start(retry: Retry, keys: readonly string[]) {
  const recorder = createRecorder();
  const held = new Map(
    keys.map((key) => [key, { began: deferred<undefined>(), end: deferred<undefined>() }]),
  );
  const desk = Desk.implement({
    mailbox: 1,
    setup: () => undefined,
    handlers: {
      hold: async (_state, _input, { key }) => {
        const { began, end } = held.get(key)!;
        began.resolve(undefined);
        await end.promise;
      },
      ask: () => undefined,
      askAt: (_state, other, ctx) => ctx.ref(Desk, other).ask(),
    },
  });
  const app = await createApp({
    transport: () => memoryTransport(),
    actors: [desk],
    client: { retry },
    logger: false,
    signals: [],
    tracing: openTelemetryTracing({ tracerProvider: recorder.tracerProvider }),
  });
  const letGo = (key: string): void => held.get(key)!.end.resolve(undefined);
  onTestFinished(async () => {
    keys.forEach(letGo);
    await app.close();
  });
  for (const key of keys) {
    void app.ref(Desk, key).hold();
    await held.get(key)!.began.promise;
    void app.ref(Desk, key).ask();
  }
  /** The events of each failed call of this type. */
  const events = (name: string) =>
    recorder.spans
      .filter((span) => span.kind === SpanKind.CLIENT && span.name === name)
      .filter((span) => span.attributes['error.type'] !== undefined)
      .map((span) => span.events.map((event) => [event.name, event.attributes]));
  return { app, events, letGo };
}

test('because the budget of the client is spent', async () => {
  const { app, events } = await start({ pauseMs: () => 0 }, ['full']);
  await expect(app.ref(Desk, 'full').ask()).rejects.toMatchObject({ code: 'OVERLOADED' });
  const [own] = events('desk.ask');
  expect(own!.slice(0, -1).every(([name]) => name === 'clstr.retry')).toBe(true);
  expect(own!.at(-1)).toEqual([
    'clstr.retry_denied',
    { 'clstr.retry.denial': 'budget', 'clstr.retry.reason': 'OVERLOADED' },
  ]);
});

test('because its caller serves a repeat, and is repeated as a whole', async () => {
  const desks: Awaited<ReturnType<typeof start>> = await start(
    {
      pauseMs: ({ type }) => {
        if (type === 'desk.askAt') desks.letGo('first');
        return 0;
      },
    },
    ['first', 'second'],
  );
  await expect(desks.app.ref(Desk, 'first').askAt('second')).rejects.toThrow();
  expect(desks.events('desk.ask')).toEqual([
    [['clstr.retry_denied', { 'clstr.retry.denial': 'nested', 'clstr.retry.reason': 'OVERLOADED' }]],
  ]);
});
