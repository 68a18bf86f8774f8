/** Which trace the calls of an actor belong to. The spans here are texts that name their parent. */
import type { Headers, Tracing } from '@clstr/core';
import { defineActor, notify, request } from '@clstr/actors';
import type { ActorContext, LifecycleContext } from '@clstr/actors';
import { deferred } from '@clstr/testing';
import { expect, test } from 'vitest';
import { actorNode } from './actor-node.ts';

const Relay = defineActor('relay', { go: request<void, unknown>(), tell: notify<void>() });

interface Steps {
  setup?: (ctx: LifecycleContext) => unknown;
  handle?: (ctx: ActorContext) => unknown;
}

/** Each span is `<parent>/<what><key>`; a call without a parent begins a trace if it is nobody's part. */
function textSpans(): { tracing: Tracing; spans: string[] } {
  const spans: string[] = [];
  const span = (headers: Headers | undefined, name: string) => {
    const traceparent = `${headers?.['traceparent'] ?? 'root'}/${name}`;
    spans.push(traceparent);
    return { headers: { ...headers, traceparent }, ended: () => undefined };
  };
  return {
    spans,
    tracing: {
      startCall: ({ headers, key, isNested }) =>
        isNested && headers?.['traceparent'] === undefined ? undefined : span(headers, `call-${key}`),
      startHandler: ({ headers, key }) =>
        headers['traceparent'] === undefined ? undefined : span(headers, `handler-${key}`),
    },
  };
}

async function relays(steps: Record<string, Steps>, isTraced = true) {
  const { tracing, spans } = textSpans();
  const relay = Relay.implement({
    setup: (ctx) => steps[ctx.key]?.setup?.(ctx),
    handlers: {
      go: (_state, _input, ctx) => steps[ctx.key]?.handle?.(ctx),
      tell: async (_state, _input, ctx) => {
        await steps[ctx.key]?.handle?.(ctx);
      },
    },
  });
  const callTracing: Tracing = isTraced
    ? tracing
    : { startCall: (call) => (call.isNested ? tracing.startCall!(call) : undefined) };
  const node = await actorNode([relay], { node: { tracing }, caller: { tracing: callTracing } });
  return { ...node, spans };
}

const headersOf: Steps = { handle: (ctx) => ({ ...ctx.headers }) };

test('a nested call and a notify are children of the handler that makes them', async () => {
  const told = deferred<unknown>();
  const node = await relays({
    a: {
      handle: async (ctx) => {
        await ctx.ref(Relay, 'c').tell();
        return await ctx.ref(Relay, 'b').go();
      },
    },
    b: headersOf,
    c: { handle: (ctx) => told.resolve(ctx.headers['traceparent']) },
  });
  const b = 'root/call-a/handler-a/call-b/handler-b';
  expect(await node.ref(Relay, 'a').go(undefined, { headers: { baggage: 'x=y' } })).toEqual({
    traceparent: b,
    baggage: 'x=y',
  });
  expect(await told.promise).toBe('root/call-a/handler-a/call-c/handler-c');
});

test('a message that waited in the mailbox keeps its own parent', async () => {
  const gate = deferred<undefined>();
  const seen: unknown[] = [];
  const node = await relays({
    a: {
      handle: async (ctx) => {
        await gate.promise;
        seen.push(ctx.headers['traceparent']);
      },
    },
  });
  const calls = ['1', '2', '3'].map((traceparent) =>
    node.ref(Relay, 'a').go(undefined, { headers: { traceparent } }),
  );
  await node.settled();
  gate.resolve(undefined);
  await Promise.all(calls);
  expect(seen).toEqual(['1/call-a/handler-a', '2/call-a/handler-a', '3/call-a/handler-a']);
});

test('the calls of setup belong to the trace of the message that caused it', async () => {
  const node = await relays({ a: { setup: (ctx) => ctx.ref(Relay, 'b').go() }, b: headersOf });
  await node.ref(Relay, 'a').go();
  expect(node.spans).toContain('root/call-a/handler-a/call-b/handler-b');
});

test('the calls of a timer begin traces of their own', async () => {
  const node = await relays({
    a: { handle: (ctx) => void ctx.after(10, (timer) => timer.ref(Relay, 'b').go()) },
    b: headersOf,
  });
  await node.ref(Relay, 'a').go();
  await node.clock.advance(20);
  expect(node.spans.slice(2)).toEqual(['root/call-b', 'root/call-b/handler-b']);
});

test('the calls of a handler whose message has no trace begin none', async () => {
  const node = await relays({ a: { handle: (ctx) => ctx.ref(Relay, 'b').go() }, b: headersOf }, false);
  expect(await node.ref(Relay, 'a').go()).toEqual({});
  expect(node.spans).toEqual([]);
});
