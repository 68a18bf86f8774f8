import { createClient, createNode } from '@clstr/core';
import { recordLog } from '@clstr/testing/internal';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';
import { describe, expect, test } from 'vitest';
import { LogWatch } from './watch.ts';

describe('the watch over log lines', () => {
  const rows = new Map([['a.b', { levels: new Set(['warn']), fields: new Set(['event', 'nodeId']) }]]);
  const problemsOf = (level: string, fields: object, message?: string): string[] => {
    const watch = new LogWatch(rows);
    watch.payload({ name: 'the name of a customer', list: ['another long text'], n: 5, short: 'abc' });
    watch.line(level, fields, message);
    return watch.problems.map((problem) => problem.split(':')[0]!);
  };

  test.each([
    ['warn', { event: 'a.b', nodeId: 'n' }, 'all is well, abc', []],
    ['error', { event: 'a.b' }, '', ['the line a.b is not of level error']],
    ['warn', { event: 'a.c' }, '', ['the line a.c has no row in docs/reference/logs.md']],
    ['warn', { event: 'a.b', key: 1 }, '', ['the line a.b has no column for key']],
    ['warn', { event: 'a.b' }, 'to nats://u:p@h', [expect.stringMatching('holds a secret')]],
    [
      'warn',
      { err: new Error('x', { cause: new Error('token=abc') }) },
      '',
      [expect.stringMatching('secret')],
    ],
    ['warn', {}, 'it was the name of a customer', [expect.stringMatching('quotes the payload')]],
    [
      'warn',
      { err: Object.assign(new Error('x'), { details: ['another long text'] }) },
      '',
      [expect.stringMatching('payload')],
    ],
  ])('finds what is wrong with %s %j %s', (level, fields, message, problems) => {
    expect(problemsOf(level, fields, message)).toEqual(problems);
  });

  test.each([['with a logger'], ['without one']])('sees lines and payloads of code %s', async (how) => {
    const global = globalThis as { clstrLogWatch?: object };
    const installed = global.clstrLogWatch;
    const seen: unknown[] = [];
    const keep = (level: string, fields: object): void => void seen.push(level, fields);
    global.clstrLogWatch = {
      line: keep,
      silentLine: keep,
      payload: (value: unknown) => void seen.push(value),
    };
    try {
      const transport = memoryTransport({ bus: createMemoryBus() });
      const logger = how === 'with a logger' ? recordLog() : undefined;
      const handler = (): string => 'the answer';
      const node = createNode({ id: 'n', transport, numShards: 1, shards: [0], handler, logger });
      await node.start();
      const client = createClient({ transport, numShards: 1 });
      await client.requestShard(0, 'ask', 'the question');
      await Promise.all([client.close(), node.close()]);
      await transport.close();
    } finally {
      global.clstrLogWatch = installed!;
    }
    expect(seen).toEqual(expect.arrayContaining(['the question', 'the answer', 'info']));
    expect(seen).toContainEqual({ event: 'node.serving', nodeId: 'n', shards: 1 });
  });
});
