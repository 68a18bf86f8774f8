import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import { NODE_INFO_TYPE, TOPOLOGY_TYPE } from '../../src/wire/envelope.ts';
import type { Balance, ClientOptions, NodeResult } from '../../src/index.ts';
import { NO_SHARD } from '../../src/index.ts';
import { ClstrError } from '../../src/base/errors.ts';
import type { NodeAddress } from '../../src/wire/address.ts';
import { recordMetrics } from '../recorded-metrics.ts';
import { ScriptedTransport } from '../scripted-transport.ts';
import type { Sent } from '../scripted-transport.ts';

function start(options: Partial<ClientOptions> = {}) {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  const client = createClient({ transport, clock, numShards: 16, routing: 'static', ...options });
  return { transport, clock, client };
}

type Started = ReturnType<typeof start>;

const noSubscriber = () => new ClstrError('NO_SUBSCRIBER', 'nobody listens');

/** Answers the questions for nodes: shard s is served by node s % count; runs are called `run`. */
async function answerInfo({ transport, clock }: Started, count: number, run = 'run'): Promise<void> {
  for (;;) {
    await clock.advance(0);
    const at = transport.sent.findIndex(({ entry }) => entry.type === NODE_INFO_TYPE);
    if (at === -1) return;
    const [question] = transport.sent.splice(at, 1);
    const node = question!.entry.shard % count;
    const shards = Array.from({ length: 16 }, (_, i) => i).filter((shard) => shard % count === node);
    question!.reply({ node_id: `node-${node}`, shards, inc: run });
  }
}

const to = ({ to: address }: Sent): string => (address as NodeAddress).nodeId;
const codeOf = (error: unknown): string => (error as ClstrError).code;
const messageOf = (error: unknown): string => (error as ClstrError).message;
const short = (row: NodeResult): unknown => [row.nodeId, row.ok ? row.value : row.error.code];

describe('gather', () => {
  test('asks shards who serves them, a few at a time, and then every node once', async () => {
    const started = start();
    const { client, transport, clock } = started;
    const rows = client.gather('Ask', 5);
    await clock.advance(0);
    expect(transport.sent.map(({ entry }) => [entry.type, entry.shard])).toEqual(
      Array.from({ length: 8 }, (_, shard) => [NODE_INFO_TYPE, shard]),
    );
    await answerInfo(started, 3);
    expect(transport.sent.map(to)).toEqual(['node-0', 'node-1', 'node-2']);
    for (const { entry } of transport.sent) {
      expect(entry).toMatchObject({ type: 'Ask', payload: '5', key: undefined, shard: NO_SHARD });
    }
    for (const sent of transport.sent.splice(0)) sent.reply(to(sent));
    expect((await rows).map(short)).toEqual(['node-0', 'node-1', 'node-2'].map((id) => [id, id]));
    // The second time it knows them.
    const again = client.gather('Ask', 5);
    await clock.advance(0);
    expect(transport.sent.map(to)).toEqual(['node-0', 'node-1', 'node-2']);
    for (const sent of transport.sent.splice(0)) sent.reply(1);
    await again;
  });

  test('and broadcast report to how many nodes they send', async () => {
    const metrics = recordMetrics();
    const started = start({ metrics });
    const lists = () => metrics.calls.filter(([name]) => name === 'listMade');
    void started.client.gather('Ask');
    await answerInfo(started, 3);
    void started.client.broadcast('Tell');
    await started.clock.advance(0);
    expect(lists()).toEqual([
      ['listMade', 'gather', 3],
      ['listMade', 'broadcast', 3],
    ]);
    await started.client.close();
  });

  test('asks on where shards have no node, within bounds, and not again at once', async () => {
    const { client, transport, clock } = start({ numShards: 200 });
    const rows = client.gather('Ask').catch(codeOf);
    const waves: number[] = [];
    for (let asked = 0; asked < 200;) {
      await clock.advance(0);
      waves.push(transport.sent.length);
      asked += transport.sent.length;
      for (const sent of transport.sent.splice(0)) sent.fail(noSubscriber());
    }
    expect(await rows).toBe('NO_SUBSCRIBER');
    expect(waves).toEqual([8, 16, 32, 64, 80]);
    expect(await client.gather('Ask').catch(codeOf)).toBe('NO_SUBSCRIBER');
    expect(transport.sent).toEqual([]);
  });

  test('does not wait longer than half a second for a node that does not say what it serves', async () => {
    const started = start();
    const { client, transport, clock } = started;
    const rows = client.gather('Ask');
    await clock.advance(0);
    const [first, second] = transport.sent.splice(0);
    first!.reply({ node_id: 'a', inc: 'run', shards: [0] });
    second!.leave();
    await clock.advance(500);
    expect(transport.sent.map(to)).toEqual(['a']);
    transport.sent[0]!.reply(1);
    expect((await rows).map(short)).toEqual([['a', 1]]);
  });

  test.each([
    [{ node_id: 'a' }],
    [{ node_id: 'a b', inc: 'run', shards: [1] }],
    [{ node_id: 'a', inc: '>', shards: [1] }],
    [null],
    ['text'],
    [[1, 2]],
  ])('ignores the answer %o', async (info) => {
    const { client, transport, clock } = start({ numShards: 1 });
    const rows = client.gather('Ask').catch(codeOf);
    await clock.advance(0);
    transport.sent.splice(0)[0]!.reply(info);
    expect(await rows).toBe('NO_SUBSCRIBER');
  });

  test.each([[['x', -1, 1.5, 2 ** 40]], ['all'], [Array.from({ length: 20_000 }, (_, i) => i)], [null]])(
    'takes a node whose list of shards is none for that of the shard alone',
    async (shards) => {
      const { client, transport, clock } = start({ numShards: 2 });
      const rows = client.gather('Ask');
      await clock.advance(0);
      for (const sent of transport.sent.splice(0)) {
        sent.reply({ node_id: `node-${sent.entry.shard}`, inc: 'run', shards });
      }
      await clock.advance(0);
      expect(transport.sent.map(to)).toEqual(['node-0', 'node-1']);
      for (const sent of transport.sent.splice(0)) sent.reply(1);
      await rows;
    },
  );

  test('knows the nodes of a dynamic cluster from its owners', async () => {
    const { client, transport, clock } = start({ routing: 'topology', numShards: 2 });
    const question = transport.sent.splice(0)[0]!;
    expect(question.entry.type).toBe(TOPOLOGY_TYPE);
    const owners = [
      [0, 1, 'b', 'r1'],
      [1, 1, 'a', 'r2'],
    ];
    question.reply({ clusterId: 'c', owners });
    const rows = client.gather('Ask');
    await clock.advance(0);
    expect(transport.sent.map(to)).toEqual(['a', 'b']);
    for (const sent of transport.sent.splice(0)) sent.reply(1);
    expect((await rows).map(short)).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });

  test('shows only the newer one of two runs of a node', async () => {
    const started = start();
    const { client, transport, clock } = started;
    const first = client.gather('Ask');
    await answerInfo(started, 2);
    for (const sent of transport.sent.splice(0)) {
      if (to(sent) === 'node-0') sent.fail(noSubscriber());
      else sent.reply(1);
    }
    expect((await first).map(short)).toEqual([
      ['node-0', 'NO_SUBSCRIBER'],
      ['node-1', 1],
    ]);
    const second = client.gather('Ask');
    await answerInfo(started, 2, 'next');
    for (const sent of transport.sent.splice(0)) {
      if ((sent.to as NodeAddress).inc === 'run' && to(sent) === 'node-0') sent.fail(noSubscriber());
      else sent.reply(2);
    }
    await clock.advance(0);
    expect((await second).map(short)).toEqual([
      ['node-0', 2],
      ['node-1', 2],
    ]);
  });

  test.each([
    [{ count: 0 }, 'INVALID_OPTION'],
    [{ count: 1.5 }, 'INVALID_OPTION'],
    [{ timeoutMs: 0 }, 'INVALID_OPTION'],
    [{ nodes: 3 }, 'INVALID_OPTION'],
    [null, 'INVALID_OPTION'],
  ])('refuses the options %o', async (options, code) => {
    const { client, transport } = start();
    await expect(client.gather('Ask', 1, options as never)).rejects.toThrow(
      expect.objectContaining({ code }),
    );
    expect(transport.sent).toEqual([]);
  });

  test('refuses a reserved type, and a broadcast that wants answers', async () => {
    const { client } = start();
    const gathered = client.gather('clstr.topology');
    await expect(gathered).rejects.toThrow(expect.objectContaining({ code: 'INVALID_ENVELOPE' }));
    const counted = client.broadcast('Clear', 1, { count: 1 } as never);
    await expect(counted).rejects.toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test('runs interceptors around each message', async () => {
    const seen: unknown[] = [];
    const started = start({
      interceptors: [
        (call, next) => {
          seen.push([call.key, call.shard, call.isNotify]);
          return next({ ...call, options: { ...call.options, headers: { token: 't' } } });
        },
      ],
    });
    const { client, transport, clock } = started;
    const rows = client.gather('Ask');
    await answerInfo(started, 2);
    await clock.advance(0);
    for (const sent of transport.sent.splice(0)) {
      expect(sent.entry.headers).toMatchObject({ token: 't' });
      sent.reply(1);
    }
    await rows;
    expect(seen).toEqual(new Array(2).fill([undefined, NO_SHARD, false]));
  });
});

describe('any', () => {
  async function known(count: number, balance?: Balance, options: Partial<ClientOptions> = {}) {
    const started = start(options);
    const any = started.client.any({ balance });
    const first = any.request('First');
    await answerInfo(started, count);
    started.transport.sent.splice(0)[0]!.reply(1);
    await first;
    return { ...started, any };
  }

  const quiet = (call: Promise<unknown>): void => void call.catch(() => undefined);

  test('goes to each node in turn', async () => {
    const { any, transport } = await known(3);
    for (let i = 0; i < 6; i++) quiet(any.request('Ask'));
    expect(transport.sent.map(to)).toEqual([1, 2, 0, 1, 2, 0].map((i) => `node-${i}`));
  });

  test('goes to the node with the fewest requests in flight', async () => {
    const { any, transport } = await known(2, 'least-in-flight');
    for (let i = 0; i < 4; i++) quiet(any.request('Ask'));
    const [a, b, c, d] = transport.sent.splice(0) as [Sent, Sent, Sent, Sent];
    expect(new Set([to(a), to(b)]).size).toBe(2);
    const idle = to(a);
    for (const sent of [a, b, c, d]) if (to(sent) === idle) sent.reply(1);
    for (let i = 0; i < 2; i++) quiet(any.request('Ask'));
    expect(transport.sent.map(to)).toEqual([idle, idle]);
  });

  test('goes to the faster one of two nodes, until a slow one may have recovered', async () => {
    const { any, transport, clock } = await known(2, 'two-choices');
    const slow = 'node-1';
    for (let i = 0; i < 20; i++) {
      quiet(any.request('Ask'));
      const sent = transport.sent.splice(0)[0]!;
      await clock.advance(to(sent) === slow ? 200 : 1);
      sent.reply(1);
      await clock.advance(0);
    }
    const chosen: string[] = [];
    for (let i = 0; i < 20; i++) {
      quiet(any.request('Ask'));
      const sent = transport.sent.splice(0)[0]!;
      chosen.push(to(sent));
      await clock.advance(1);
      sent.reply(1);
    }
    expect(new Set(chosen)).toEqual(new Set(['node-0']));
    await clock.advance(60_000);
    quiet(any.request('Ask'));
    quiet(any.request('Ask'));
    expect(new Set(transport.sent.map(to)).size).toBe(2);
  });

  test.each(['NO_SUBSCRIBER', 'DRAINING', 'NOT_OWNER'] as const)(
    'sends a call that meets %s to another node, and leaves that one out at the next call',
    async (code) => {
      const { any, transport } = await known(3);
      const call = any.request('Ask');
      const met = transport.sent.splice(0)[0]!;
      met.leave().sink.onError(new ClstrError(code, 'gone'));
      transport.sent.find(({ entry }) => entry.type === 'Ask')!.reply('elsewhere');
      expect(await call).toBe('elsewhere');
      transport.sent.length = 0;
      for (let i = 0; i < 4; i++) quiet(any.request('Ask'));
      expect(transport.sent.map(to)).not.toContain(to(met));
    },
  );

  test('sends a call to another node while the breaker of the next one is open', async () => {
    const { any, transport } = await known(2, 'round-robin', { breaker: { minCalls: 1, failureRate: 0.1 } });
    const lost = any.request('Ask').catch(codeOf);
    const met = transport.sent.splice(0)[0]!;
    met.leave().fail(new ClstrError('CONNECTION_LOST', 'lost'));
    expect(await lost).toBe('CONNECTION_LOST');
    for (let i = 0; i < 4; i++) quiet(any.request('Ask'));
    const asked = transport.sent.filter(({ entry }) => entry.type === 'Ask').map(to);
    expect(asked).toHaveLength(4);
    expect(asked).not.toContain(to(met));
  });

  test('looks every few seconds for a node that was gone', async () => {
    const started = await known(2);
    const { any, transport, clock } = started;
    quiet(any.request('Ask', 1, { timeoutMs: 60_000 }));
    const met = transport.sent.splice(0)[0]!;
    met.leave().sink.onError(noSubscriber());
    await clock.advance(500);
    transport.sent.length = 0;
    quiet(any.request('Ask'));
    await answerInfo(started, 2);
    expect(transport.sent.map(to)).not.toContain(to(met));
    await clock.advance(5_000);
    quiet(any.request('Ask'));
    await answerInfo(started, 2);
    transport.sent.length = 0;
    for (let i = 0; i < 2; i++) quiet(any.request('Ask'));
    expect(transport.sent.map(to)).toContain(to(met));
  });

  test('ends with the last refusal when all nodes have refused', async () => {
    const { any, transport } = await known(2);
    const call = any.request('Ask').catch((error: unknown) => error);
    for (let i = 0; i < 2; i++) {
      const at = transport.sent.findIndex(({ entry }) => entry.type === 'Ask');
      transport.sent.splice(at, 1)[0]!.refuse(new ClstrError('DRAINING', 'shutting down'));
    }
    expect(await call).toMatchObject({ code: 'DRAINING', outcome: 'not-executed' });
  });

  test('keeps an error of the handler, and does not try another node', async () => {
    const { any, transport } = await known(2);
    const call = any.request('Ask').catch((error: unknown) => error);
    transport.sent.splice(0)[0]!.refuse(new ClstrError('ACTOR_ERROR', 'no', { outcome: 'executed' }));
    expect(await call).toMatchObject({ code: 'ACTOR_ERROR', outcome: 'executed' });
    expect(transport.sent).toEqual([]);
  });

  test('leaves out a node whose breaker is open', async () => {
    const { any, transport } = await known(2, 'round-robin', { breaker: { minCalls: 2 } });
    const lost = () => new ClstrError('CONNECTION_LOST', 'gone');
    for (let i = 0; i < 6; i++) {
      quiet(any.request('Ask'));
      const sent = transport.sent.splice(0)[0]!;
      if (to(sent) === 'node-1') sent.leave().fail(lost());
      else sent.reply(1);
    }
    for (let i = 0; i < 4; i++) quiet(any.request('Ask'));
    const asked = transport.sent.filter(({ entry }) => entry.type === 'Ask');
    expect(new Set(asked.map(to))).toEqual(new Set(['node-0']));
    expect(asked).toHaveLength(4);
  });

  test('finds a node that was restarted, by asking the shards of the one that is gone', async () => {
    const started = await known(2);
    const { any, transport, clock } = started;
    quiet(any.request('Ask'));
    const met = transport.sent.splice(0)[0]!;
    met.leave().sink.onError(noSubscriber());
    await answerInfo(started, 2, 'next');
    transport.sent.length = 0;
    for (let i = 0; i < 3; i++) quiet(any.request('Ask'));
    await clock.advance(0);
    expect(transport.sent.map(({ to: address }) => (address as NodeAddress).inc)).toContain('next');
  });

  test('that times out while it looks for a node sends nothing later', async () => {
    const { client, transport, clock } = start();
    const call = client
      .any()
      .request('Ask', 1, { timeoutMs: 100 })
      .catch((error: unknown) => error);
    await clock.advance(120);
    expect(await call).toMatchObject({ code: 'TIMEOUT', outcome: 'not-executed' });
    transport.sent.splice(0)[0]!.reply({ node_id: 'a', inc: 'run', shards: [0] });
    await clock.advance(500);
    expect(transport.sent.filter(({ entry }) => entry.type === 'Ask')).toEqual([]);
  });

  test('reports a notify that a node refuses after it was handed over', async () => {
    const failures: unknown[] = [];
    const { any, transport } = await known(1, 'round-robin', {
      onNotifyFailed: ({ key, shard, type, error }) => failures.push([key, shard, type, error.code]),
    });
    const sent = any.notify('Clear');
    transport.last.leave();
    await sent;
    transport.last.refuse(new ClstrError('UNKNOWN_TYPE', 'what?'));
    expect(failures).toEqual([[undefined, NO_SHARD, 'Clear', 'UNKNOWN_TYPE']]);
  });

  test.each([[{ balance: 'fastest' }], [{ balanced: true }], [5]])('refuses the options %o', (options) => {
    const { client } = start();
    expect(() => client.any(options as never)).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test('names a node in its errors, not a shard', async () => {
    const { any, clock } = await known(1);
    const call = any.request('Ask', 1, { timeoutMs: 100 }).catch(messageOf);
    await clock.advance(120);
    expect(await call).toContain('no reply to "Ask" for a node within 100 ms');
  });
});
