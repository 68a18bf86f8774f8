import type { Handler, HandlerContext, HandlerRequest } from '@clstr/core';
import { expect, test } from 'vitest';
import { startMemoryCluster } from '../src/cluster-memory.ts';
import type { Cluster } from '../src/cluster.ts';
import { Counter } from '../src/contract.ts';
import { counterHandler } from '../src/counter.ts';
import { runDemo } from '../src/run.ts';
import { collectOutput } from './collected-output.ts';

const LOAD = { requests: 2_000, keys: 50, concurrency: 32 };
const NODES = { nodes: 3, cacheSize: LOAD.keys };

/** A cluster whose counters treat the 100th increment of each node as `fault` says. */
function faultyCluster(
  fault: (inner: Handler, request: HandlerRequest, context: HandlerContext) => unknown,
): Promise<Cluster> {
  return startMemoryCluster({ ...NODES, nodes: 1 }, () => {
    const inner = counterHandler(LOAD.keys);
    let increments = 0;
    const handler: Handler = (request, context) => {
      const isHit = request.type === 'counter.increment' && ++increments === 100;
      return isHit ? fault(inner, request, context) : inner(request, context);
    };
    return Object.assign(handler, { close: inner.close });
  });
}

async function run(cluster: Cluster, signal = new AbortController().signal, load = LOAD) {
  const output = collectOutput();
  const isExact = await runDemo(cluster, load, signal, output.stream);
  return { isExact, text: output.text() };
}

test('finds every counter exact, and prints one table', async () => {
  const { isExact, text } = await run(await startMemoryCluster(NODES));
  expect(isExact).toBe(true);
  expect(text).toMatch(
    /^3 nodes on the in-memory bus: 2,000 increments over 50 counters, 32 in flight\n500 of 2,000/,
  );
  expect(text).toMatch(/│ node +│ shards │ requests │ requests\/s │ +p50 ms │ +p99 ms │ errors │/);
  for (const name of ['node-1', 'node-2', 'node-3']) {
    expect(text).toMatch(
      new RegExp(`│ ${name} │ +\\d+ │ +\\d+ │ +[\\d,]+ │ +\\d+\\.\\d{3} │ +\\d+\\.\\d{3} │ +0 │`),
    );
  }
  expect(text).toMatch(/│ total +│ +1,024 │ +2,000 │ .* │ +0 │/);
  expect(text).toMatch(/exact: 50 counters, every increment counted once\n$/);
});

test('reports a lost increment, with the key, what it must show and what it shows', async () => {
  const cluster = await faultyCluster((inner, request, context) =>
    inner({ ...request, type: 'counter.get', payload: undefined }, context),
  );
  const { isExact, text } = await run(cluster);
  expect(isExact).toBe(false);
  expect(text).not.toContain('exact: 50');
  const [, expected, got] = /not exact:\n {2}counter-\d+: expected (\d+), got (\d+)\n$/.exec(text)!;
  expect(Number(expected) - Number(got)).toBeGreaterThanOrEqual(1);
  expect(Number(expected) - Number(got)).toBeLessThanOrEqual(9);
});

test('reports an increment that ran twice', async () => {
  const cluster = await faultyCluster(async (inner, request, context) => {
    await inner(request, context);
    return inner(request, context);
  });
  const { isExact, text } = await run(cluster);
  expect(isExact).toBe(false);
  expect(text).toMatch(/not exact:\n {2}counter-\d+: expected \d+, got \d+\n$/);
});

test('reports a node that ran another number of increments than its keys got', async () => {
  const cluster = await startMemoryCluster(NODES);
  const close = async (): Promise<ReadonlyMap<string, number>> => {
    const counts = new Map(await cluster.close());
    counts.set('node-1', counts.get('node-1')! - 1);
    counts.delete('node-2');
    return counts;
  };
  const { isExact, text } = await run({ ...cluster, close });
  expect(isExact).toBe(false);
  expect(text).toMatch(/ {2}node-1: expected (\d+) increments for its keys, got \d+\n/);
  expect(text).toMatch(/ {2}node-2: expected \d+ increments for its keys, got no count\n$/);
});

test('counts a request that failed as an error of its node, and fails', async () => {
  const cluster = await faultyCluster(() => {
    throw new Error('out of order');
  });
  const { isExact, text } = await run(cluster);
  expect(isExact).toBe(false);
  expect(text).toMatch(/│ node-1 │ +1,024 │ +2,000 │ .* │ +1 │/);
  expect(text).toMatch(/requests failed: 1 × INTERNAL\nno acknowledged increment is lost\n$/);
});

test('gives up when nothing works, and still closes the cluster', async () => {
  const cluster = await startMemoryCluster(NODES, () => () => {
    throw new Error('out of order');
  });
  const { isExact, text } = await run(cluster);
  expect(isExact).toBe(false);
  expect(text).toMatch(/gave up, too many requests failed: 5\d\d × INTERNAL\n$/);
  await expect(Counter.ref(cluster.client, 'a').get()).rejects.toMatchObject({ code: 'TRANSPORT_CLOSED' });
});

test('ends with the reason when it is stopped', async () => {
  const stop = new AbortController();
  const cluster = await faultyCluster((inner, request, context) => {
    stop.abort(new Error('enough'));
    return inner(request, context);
  });
  await expect(run(cluster, stop.signal)).rejects.toThrow('enough');
  await cluster.close();
});

test('manages with a node that gets no request, and with more in flight than requests', async () => {
  const cluster = await startMemoryCluster(NODES);
  const { isExact, text } = await run(cluster, undefined, { requests: 1, keys: 1, concurrency: 256 });
  expect(isExact).toBe(true);
  expect(text).toMatch(/│ node-\d │ +\d+ │ +0 │ +0 │ +- │ +- │ +0 │/);
});
