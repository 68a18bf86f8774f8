/** Types that anybody can make up add no series, whichever way they take through a cluster. */
import { defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { prometheusMetrics } from '../src/index.ts';
import { seriesOf } from './reading.ts';

const MADE_UP = 100_000;
const AT_A_TIME = 1_000;

const Cell = defineActor('cell', { read: request<void, number>() });
const cell = Cell.implement({ setup: () => 1, handlers: { read: (state) => state } });

test('100,000 made-up types add no series, at client and node, as requests and as notifies', async () => {
  await using metrics = prometheusMetrics();
  await using app = await createApp({
    transport: () => memoryTransport(),
    actors: [cell],
    nodeId: 'n1',
    numShards: 8,
    metrics,
    logger: false,
    client: { onNotifyFailed: () => undefined },
  });
  expect(await app.ref(Cell, 'k').read()).toBe(1);
  const call = async (type: string): Promise<void> => {
    await app.client.requestKey('k', type).catch(() => undefined);
    await app.client.notifyKey('k', type);
  };
  await call('first');
  const before = seriesOf(await metrics.text());
  for (let i = 0; i < MADE_UP; i += AT_A_TIME) {
    await Promise.all(Array.from({ length: AT_A_TIME }, (_, j) => call(`made-up-${i + j} "} 1\\`)));
  }
  const after = seriesOf(await metrics.text());
  expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
  const failed = 'clstr_cluster_requests_total{message_type="other",success="false"}';
  expect(after.get(failed)).toBe(MADE_UP + 1);
  expect([...after.keys()].filter((name) => name.includes('made-up'))).toEqual([]);
}, 60_000);
