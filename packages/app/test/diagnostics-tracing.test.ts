import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, onTestFinished, test } from 'vitest';
import { createApp } from '../src/app.ts';
import { diagnosticsTracing } from '../src/diagnostics-tracing.ts';
import type { CallDiagnostics, HandlerDiagnostics } from '../src/diagnostics-tracing.ts';
import { Greeter, createGreeter } from './greeter.ts';

/** Ends with the test. */
function listen<T>(name: string, listener: (message: T) => void): void {
  const onMessage = (message: unknown): void => listener(message as T);
  subscribe(name, onMessage);
  onTestFinished(() => void unsubscribe(name, onMessage));
}

const start = () =>
  createApp({
    transport: () => memoryTransport(),
    actors: [createGreeter().actor],
    nodeId: 'n1',
    tracing: diagnosticsTracing(),
    signals: [],
    logger: false,
  });

test('a call and its message appear on the channels, each as one object', async () => {
  const seen: unknown[][] = [];
  const [calls, messages] = [new Set<object>(), new Set<object>()];
  for (const event of ['start', 'end']) {
    listen<CallDiagnostics>(`clstr.call.${event}`, (diagnostics) => {
      calls.add(diagnostics);
      const { call, error, end } = diagnostics;
      seen.push([`call ${event}`, call.type, error, end?.nodeId]);
    });
    listen<HandlerDiagnostics>(`clstr.handler.${event}`, (diagnostics) => {
      messages.add(diagnostics);
      const { message, error, waitedMs } = diagnostics;
      seen.push([`handler ${event}`, message.type, error, typeof waitedMs]);
    });
  }
  await using app = await start();
  await app.ref(Greeter, 'a').whereAreYou();
  expect(seen).toEqual([
    ['call start', 'greeter.whereAreYou', undefined, undefined],
    ['handler start', 'greeter.whereAreYou', undefined, 'undefined'],
    ['handler end', 'greeter.whereAreYou', undefined, 'number'],
    ['call end', 'greeter.whereAreYou', undefined, 'n1'],
  ]);
  expect([calls.size, messages.size]).toEqual([1, 1]);
});

test('an error is on the channels', async () => {
  const codes: (string | undefined)[] = [];
  listen<CallDiagnostics>('clstr.call.end', ({ error }) => codes.push(error?.code));
  listen<HandlerDiagnostics>('clstr.handler.end', ({ error }) => codes.push(error?.code));
  await using app = await start();
  await expect(app.client.requestKey('a', 'made.up')).rejects.toThrow();
  expect(codes).toEqual(['UNKNOWN_TYPE', 'UNKNOWN_TYPE']);
});

test('subscribers may replace the headers', async () => {
  const seen: unknown[] = [];
  listen<CallDiagnostics>('clstr.call.start', (diagnostics) => {
    diagnostics.headers = { traceparent: 'call' };
  });
  listen<HandlerDiagnostics>('clstr.handler.start', (diagnostics) => {
    seen.push({ ...diagnostics.message.headers });
    diagnostics.headers = { traceparent: 'handler' };
  });
  listen<CallDiagnostics>('clstr.call.start', ({ call }) => seen.push({ ...call.headers }));
  await using app = await start();
  await app.ref(Greeter, 'a').askAnother({ key: 'b' });
  expect(seen).toEqual([{}, { traceparent: 'call' }, { traceparent: 'handler' }, { traceparent: 'call' }]);
});

test('without subscribers nothing is made', () => {
  for (const name of ['call.start', 'call.repeat', 'call.end', 'handler.start', 'handler.end'])
    expect(channel(`clstr.${name}`).hasSubscribers).toBe(false);
  const { startCall, startHandler } = diagnosticsTracing();
  const common = { type: 'Get', key: 'k', shard: 0, isNotify: false, cluster: undefined };
  expect(startCall!({ ...common, headers: undefined, isNested: false })).toBeUndefined();
  const at = { headers: {}, isDeclared: true, nodeId: 'n', epoch: undefined };
  expect(startHandler!({ ...common, ...at })).toBeUndefined();
});

test('each channel by itself brings its events', () => {
  const { startCall, startHandler } = diagnosticsTracing();
  const common = { type: 'Get', key: 'k', shard: 0, isNotify: false, cluster: undefined };
  const repeats: unknown[] = [];
  listen<CallDiagnostics>('clstr.call.repeat', ({ reason, attempt }) => repeats.push([reason, attempt]));
  startCall!({ ...common, headers: undefined, isNested: false })!.repeated!('NOT_OWNER', 2);
  expect(repeats).toEqual([['NOT_OWNER', 2]]);
  const waits: unknown[] = [];
  listen<HandlerDiagnostics>('clstr.handler.end', ({ waitedMs }) => waits.push(waitedMs));
  const at = { headers: {}, isDeclared: true, nodeId: 'n', epoch: undefined };
  startHandler!({ ...common, ...at })!.ended(undefined, 5);
  expect(waits).toEqual([5]);
});
