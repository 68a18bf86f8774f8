import { deferred, fakeClock } from '@clstr/testing';
import { recordLog } from '@clstr/testing/internal';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { resolveClientOptions } from '../../src/client/options.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { ClientOptions } from '../../src/index.ts';
import { nodeAddress } from '../../src/wire/address.ts';
import { noTracing } from '../../src/wire/tracing.ts';
import type { CallSpan, Tracing } from '../../src/wire/tracing.ts';
import { recordTracing } from '../recorded-tracing.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const NODE_A = nodeAddress('a', '1')!;
const NODE_B = nodeAddress('b', '1')!;

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const tracing = recordTracing();
  const logger = recordLog();
  const client = createClient({
    transport,
    clock,
    tracing,
    logger,
    numShards: 16,
    routing: 'static',
    ...options,
  });
  return { transport, clock, client, tracing, logger };
}

const spanOf = (span: Partial<CallSpan>): Tracing => ({
  startCall: () => ({ headers: undefined, ended: () => undefined, ...span }),
});

test('is off by identity, so that a call takes the same way as without the option', () => {
  const transport = new ScriptedTransport();
  expect(resolveClientOptions({ transport }).tracing).toBe(noTracing);
});

test.each([null, {}, { startCall: 1 }, { startCall: () => undefined, startHandler: true }])(
  'refuses %j as a tracing',
  (tracing) => {
    const given = { transport: new ScriptedTransport(), tracing: tracing as Tracing };
    expect(() => createClient(given)).toThrow('tracing must be an object with a method startCall()');
  },
);

describe('a traced call', () => {
  test('shows what is called, with the headers of client and call', async () => {
    const { client, transport, tracing } = start({ headers: { tenant: 'acme' } });
    const call = client.requestKey('ada', 'Get', undefined, { headers: { x: 'y' }, isNested: true });
    transport.last.reply('r');
    await call;
    expect(tracing.calls).toEqual([
      {
        type: 'Get',
        key: 'ada',
        shard: client.shardOf('ada'),
        isNotify: false,
        headers: { tenant: 'acme', x: 'y' },
        isNested: true,
        cluster: undefined,
      },
    ]);
  });

  test('carries the headers of its span, and its call chain beside them', async () => {
    const { client, transport } = start();
    const call = client.requestShard(1, 'Get', undefined, { headers: { x: 'y' }, callChain: ['a/1'] });
    expect(transport.last.entry.headers).toMatchObject({ x: 'y', traceparent: 'call-1' });
    expect(transport.last.entry.headers).toHaveProperty('x-clstr-call-chain');
    transport.last.reply('r');
    await call;
  });

  test('ends with the node that answered', async () => {
    const { client, transport, tracing } = start();
    const call = client.requestShard(1, 'Get');
    transport.last.reply('r', NODE_A);
    await call;
    expect(tracing.events).toEqual([
      ['call ended', undefined, { attempts: 1, nodeId: 'a', epoch: undefined }],
    ]);
  });

  test('ends with its error', async () => {
    const { client, transport, tracing } = start();
    const call = client.requestShard(1, 'Get');
    transport.last.refuse(new ClstrError('HANDLER_ERROR', 'no'));
    await expect(call).rejects.toThrow();
    expect(tracing.events).toMatchObject([['call ended', 'HANDLER_ERROR', { attempts: 1 }]]);
  });

  test('ends without an attempt if its signal had fired before', async () => {
    const { client, tracing } = start();
    await expect(client.requestShard(1, 'Get', undefined, { signal: AbortSignal.abort() })).rejects.toThrow();
    expect(tracing.events).toMatchObject([['call ended', 'ABORTED', { attempts: 0 }]]);
  });

  test('that is redirected keeps its headers, and says why and to where', async () => {
    const { client, transport, tracing } = start();
    const first = client.requestShard(1, 'Get');
    transport.last.reply('r', NODE_A);
    await first;
    const second = client.requestShard(1, 'Get');
    transport.last.refuse(new ClstrError('NOT_OWNER', 'not here'));
    expect(transport.last.entry.headers).toEqual({ traceparent: 'call-2' });
    transport.last.reply('r', NODE_B);
    await second;
    expect(tracing.events.slice(1)).toEqual([
      ['repeated', 'NOT_OWNER', 2],
      ['call ended', undefined, { attempts: 2, nodeId: 'b', epoch: undefined }],
    ]);
  });

  test('that is repeated later keeps its headers', async () => {
    const { client, transport, clock, tracing } = start();
    const call = client.requestShard(1, 'Get', undefined, { idempotent: true });
    transport.last.fail(new ClstrError('CONNECTION_LOST', 'gone'));
    await clock.advance(2_000);
    expect(transport.sent).toHaveLength(2);
    expect(transport.last.entry.headers).toEqual({ traceparent: 'call-1', 'x-clstr-attempt': '2' });
    transport.last.reply('r');
    await call;
    expect(tracing.events).toMatchObject([
      ['repeated', 'CONNECTION_LOST', 2],
      ['call ended', undefined, { attempts: 2 }],
    ]);
  });

  test('that could be repeated and is not says what decided against it', async () => {
    const { client, transport, tracing } = start({ retry: { pauseMs: () => undefined } });
    const call = client.requestShard(1, 'Get');
    transport.last.refuse(new ClstrError('OVERLOADED', 'full'));
    await expect(call).rejects.toThrow();
    expect(tracing.events).toMatchObject([
      ['denied', 'policy', 'OVERLOADED'],
      ['call ended', 'OVERLOADED', { attempts: 1 }],
    ]);
  });

  test('that is a notify ends once the bus has it', async () => {
    const { client, transport, tracing } = start();
    const sent = client.notifyShard(1, 'Poke');
    expect(tracing.events).toEqual([]);
    transport.last.leave();
    await sent;
    expect(tracing.events).toMatchObject([['call ended', undefined, { attempts: 1 }]]);
    transport.last.refuse(new ClstrError('OVERLOADED', 'full'));
    expect(tracing.events).toHaveLength(1);
  });

  test('is not a question of the framework itself', async () => {
    const { client, transport, tracing } = start();
    const info = client.shard(1).nodeInfo();
    transport.last.reply({ node_id: 'a', shards: [1] });
    await info;
    expect(tracing.calls).toEqual([]);
  });

  test('is each call of an interceptor', async () => {
    const again = deferred<undefined>();
    const { client, transport, tracing } = start({
      interceptors: [
        async (call, next) => {
          await next(call).catch(() => undefined);
          const second = next(call);
          again.resolve(undefined);
          return second;
        },
      ],
    });
    const call = client.requestShard(1, 'Get');
    transport.last.refuse(new ClstrError('HANDLER_ERROR', 'no'));
    await again.promise;
    transport.last.reply('r');
    await call;
    expect(tracing.events.map(([, code]) => code)).toEqual(['HANDLER_ERROR', undefined]);
  });
});

describe('a call that its tracing leaves alone', () => {
  test('keeps its headers', async () => {
    const { client, transport } = start({ tracing: { startCall: () => undefined } });
    const call = client.requestShard(1, 'Get', undefined, { headers: { x: 'y' } });
    expect(transport.last.entry.headers).toEqual({ x: 'y' });
    transport.last.reply('r');
    await call;
  });

  test('is every call if the tracing observes handlers alone', async () => {
    const { client, transport } = start({ tracing: { startHandler: () => undefined } });
    const call = client.requestShard(1, 'Get');
    transport.last.reply('r');
    expect(await call).toBe('r');
  });
});

describe('an error of the tracing does not reach the call', () => {
  const fail = (): never => {
    throw new Error('broken');
  };

  test.each<[string, Tracing]>([
    ['tracing.startCall() threw', { startCall: fail }],
    ['repeated() of a span threw', spanOf({ repeated: fail })],
    ['ended() of a span threw', spanOf({ ended: fail })],
  ])('%s', async (message, tracing) => {
    const { client, transport, clock, logger } = start({ tracing });
    const call = client.requestShard(1, 'Get', undefined, { idempotent: true });
    transport.last.fail(new ClstrError('CONNECTION_LOST', 'gone'));
    await clock.advance(2_000);
    transport.last.reply('r');
    expect(await call).toBe('r');
    expect(logger.lines.map((line) => line.message)).toContain(message);
  });

  test('retryDenied() of a span threw', async () => {
    const tracing = spanOf({ retryDenied: fail });
    const { client, transport, logger } = start({ tracing, retry: { pauseMs: () => undefined } });
    const call = client.requestShard(1, 'Get');
    transport.last.refuse(new ClstrError('OVERLOADED', 'full'));
    await expect(call).rejects.toMatchObject({ code: 'OVERLOADED' });
    expect(logger.lines.map((line) => line.message)).toContain('retryDenied() of a span threw');
  });

  test.each([
    ['of the framework', { 'x-clstr-key': 'other' }],
    ['with a control character', { traceparent: 'a\nb' }],
    ['too large', { baggage: 'x'.repeat(20_000) }],
  ])('the call keeps its own headers if those of the span are %s', async (_what, headers) => {
    const { client, transport, logger } = start({ tracing: spanOf({ headers }) });
    const call = client.requestShard(1, 'Get', undefined, { headers: { x: 'y' } });
    expect(transport.last.entry.headers).toEqual({ x: 'y' });
    transport.last.reply('r');
    await call;
    expect(logger.lines[0]?.message).toBe('the headers of a span cannot be sent: its call keeps its own');
  });
});
