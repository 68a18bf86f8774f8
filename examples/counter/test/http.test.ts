import type { Client, HandlerContext, HandlerRequest } from '@clstr/core';
import { ClstrError, createClient } from '@clstr/core';
import { forCaller } from '@clstr/core/handler';
import { deferred, testCluster } from '@clstr/testing';
import { memoryTransport } from '@clstr/transport-memory';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startMemoryCluster } from '../src/cluster-memory.ts';
import type { Cluster } from '../src/cluster.ts';
import type { HttpFace } from '../src/http.ts';
import { startHttp } from '../src/http.ts';

let cluster: Cluster;
let http: HttpFace;
beforeEach(async () => {
  cluster = await startMemoryCluster({ nodes: 3, cacheSize: 100 });
  http = await startHttp(cluster.client, 0);
});
afterEach(async () => {
  await http.close();
  await cluster.close();
});

interface Answer {
  value?: number;
  error?: { code: string; message: string; outcome?: string };
}

async function call(method: string, path: string, body?: string): Promise<{ status: number; json: Answer }> {
  const response = await fetch(http.url + path, { method, ...(body === undefined ? {} : { body }) });
  expect(response.headers.get('content-type')).toBe('application/json');
  return { status: response.status, json: (await response.json()) as Answer };
}

test('counts what is posted, and shows it', async () => {
  const ok = (id: string, value: number) => ({ status: 200, json: { id, value } });
  expect(await call('POST', '/counter/apples/increment', '{"amount":5}')).toEqual(ok('apples', 5));
  expect(await call('POST', '/counter/apples/increment')).toEqual(ok('apples', 6));
  expect(await call('POST', '/counter/apples/increment', '{}')).toEqual(ok('apples', 7));
  expect(await call('GET', '/counter/apples')).toEqual(ok('apples', 7));
  expect(await call('GET', '/counter/never%20seen%2F%C3%A9')).toEqual(ok('never seen/é', 0));
});

test.each(['{"amount":', 'five', '5', '[5]', 'null', '{"amount":0}', '{"amount":-1}', '{"amount":1.5}'])(
  'answers 400 to the body %s',
  async (body) => {
    const { status, json } = await call('POST', '/counter/apples/increment', body);
    expect(status).toBe(400);
    expect(json.error?.code).toMatch(/^(INVALID_ENVELOPE|VALIDATION_FAILED)$/);
    expect((await call('GET', '/counter/apples')).json.value).toBe(0);
  },
);

test('answers 413 to a body over the limit, and 400 to an id over it', async () => {
  const body = `{"amount":5${' '.repeat(1_024)}}`;
  expect(await call('POST', '/counter/apples/increment', body)).toMatchObject({
    status: 413,
    json: { error: { code: 'PAYLOAD_TOO_LARGE' } },
  });
  expect(await call('GET', `/counter/${'k'.repeat(1_025)}`)).toMatchObject({ status: 400 });
});

test.each([
  ['GET', '/'],
  ['GET', '/counter/'],
  ['POST', '/counter/apples'],
  ['DELETE', '/counter/apples'],
  ['GET', '/counter/apples/increment'],
])('answers 404 to %s %s', async (method, path) => {
  expect(await call(method, path)).toMatchObject({ status: 404, json: { error: { code: 'NOT_FOUND' } } });
});

describe('an error of the cluster', () => {
  /** The status and error that `GET /counter/apples` gets from a face over `client`. */
  async function answerOver(client: Client): Promise<{ status: number; error: Answer['error'] }> {
    const face = await startHttp(client, 0);
    const response = await fetch(`${face.url}/counter/apples`);
    await face.close();
    const { error } = (await response.json()) as Answer;
    return { status: response.status, error };
  }

  test('is 503 when no node serves the counter', async () => {
    const client = createClient({ transport: memoryTransport() });
    const { status, error } = await answerOver(client);
    expect(status).toBe(503);
    expect(error).toMatchObject({ code: 'NO_SUBSCRIBER', outcome: 'not-executed' });
    await client.close();
  });

  test('is 504 when the answer does not come in time', async () => {
    const handler = (_request: HandlerRequest, { signal }: HandlerContext): Promise<never> =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
    const slow = await testCluster({ handler, client: { timeoutMs: 20 } });
    expect(await answerOver(slow.client)).toMatchObject({ status: 504 });
    await slow.close();
  });

  test.each([
    ['OVERLOADED', 503],
    ['DRAINING', 503],
    ['TIMEOUT', 504],
    ['INVALID_ENVELOPE', 400],
    ['KEY_REQUIRED', 400],
    ['PAYLOAD_TOO_LARGE', 413],
    ['UNKNOWN_TYPE', 500],
    ['INTERNAL', 500],
  ] as const)('%s is %i', async (code, status) => {
    const handler = (): never => {
      throw forCaller(new ClstrError(code, 'as ordered'));
    };
    const failing = await testCluster({ handler });
    expect(await answerOver(failing.client)).toMatchObject({
      status,
      error: { code, message: 'as ordered' },
    });
    await failing.close();
  });
});

test('answers what has come in before it closes', async () => {
  const arrived = deferred();
  const open = deferred();
  const handler = async (): Promise<number> => {
    arrived.resolve();
    await open.promise;
    return 7;
  };
  const slow = await testCluster({ handler });
  const face = await startHttp(slow.client, 0);
  const answer = fetch(`${face.url}/counter/apples`);
  await arrived.promise;
  const closing = face.close();
  open.resolve();
  expect(await (await answer).json()).toEqual({ id: 'apples', value: 7 });
  await closing;
  await expect(fetch(`${face.url}/counter/apples`)).rejects.toThrow();
  await slow.close();
});

test('says that its port is taken', async () => {
  await expect(startHttp(cluster.client, Number(new URL(http.url).port))).rejects.toThrow(/EADDRINUSE/);
});
