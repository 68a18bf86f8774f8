import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RequestListener } from 'node:http';
import { memoryCluster } from '@clstr/transport-memory';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createApp } from '../../src/app.ts';
import { connectClient } from '../../src/connect-client.ts';
import { healthHandler } from '../../src/health/handler.ts';
import type { HealthHandler } from '../../src/health/handler.ts';
import type { Health } from '../../src/health/health.ts';
import { healthReason } from '../../src/health/reasons.ts';
import { Greeter, createGreeter } from '../greeter.ts';
import { place } from './setting.ts';

const SERVING: Health = {
  isReady: true,
  isLive: true,
  state: 'serving',
  connection: 'connected',
  reasons: [],
  nodes: [],
  openBreakers: [],
  eventLoop: { worstMs: 0, overMs: 1_000 },
};
const WARNED: Health = { ...SERVING, reasons: [healthReason('STORE_AWAY', 'the store is away')] };
const LAPSED: Health = {
  ...SERVING,
  isReady: false,
  state: 'lapsed',
  reasons: [healthReason('LAPSED', 'node n1 has no lease')],
};
const CLOSED: Health = {
  ...LAPSED,
  isLive: false,
  state: 'closed',
  reasons: [healthReason('CLOSED', 'the app has closed')],
};

type Ask = (path: string, method?: string) => Promise<{ status: number; body: string; headers: Headers }>;

async function told(response: Response): ReturnType<Ask> {
  return { status: response.status, body: await response.text(), headers: response.headers };
}

/** A real server around `health.node`. */
async function listening(listener: RequestListener): Promise<Ask> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  return async (path, method = 'GET') =>
    told(await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { connection: 'close' } }));
}

const asFetch =
  ({ fetch: answer }: HealthHandler): Ask =>
  (path, method = 'GET') =>
    told(answer(new Request(`https://shop.example${path}`, { method })));

describe.each<[string, (health: HealthHandler) => Promise<Ask>]>([
  ['node', (health) => listening(health.node)],
  ['fetch', (health) => Promise.resolve(asFetch(health))],
])('as %s', (_style, serve) => {
  const following = async (health: Health): Promise<Ask> => {
    const handler = healthHandler();
    handler.follow(() => health);
    return serve(handler);
  };

  test('answers before there is an app: live, and not ready', async () => {
    const ask = await serve(healthHandler());
    expect(await ask('/livez')).toMatchObject({ status: 200, body: 'ok STARTING\n' });
    expect(await ask('/readyz')).toMatchObject({ status: 503, body: 'failed STARTING\n' });
    expect(JSON.parse((await ask('/healthz')).body)).toMatchObject({
      isReady: false,
      isLive: true,
      state: 'connecting',
      nodes: [],
      reasons: [{ code: 'STARTING', text: expect.stringContaining('has not called createApp') as string }],
    });
  });

  test.each([
    ['serving', SERVING, [200, 200, 200], 'ok\n'],
    ['warned', WARNED, [200, 200, 200], 'ok STORE_AWAY\n'],
    ['lapsed', LAPSED, [200, 503, 503], 'failed LAPSED\n'],
    ['closed', CLOSED, [503, 503, 503], 'failed CLOSED\n'],
  ])('answers /livez, /readyz and /healthz of an app that is %s', async (_what, health, statuses, ready) => {
    const ask = await following(health);
    const answers = await Promise.all([ask('/livez'), ask('/readyz'), ask('/healthz')]);
    expect(answers.map(({ status }) => status)).toEqual(statuses);
    expect(answers[1].body).toBe(ready);
    expect(JSON.parse(answers[2].body)).toEqual(health);
    expect(answers.map(({ headers }) => headers.get('content-type'))).toEqual([
      'text/plain; charset=utf-8',
      'text/plain; charset=utf-8',
      'application/json',
    ]);
    for (const { headers } of answers) expect(headers.get('cache-control')).toBe('no-store');
  });

  test('gives all as JSON with ?verbose, and keeps the status', async () => {
    const ask = await following(LAPSED);
    const live = await ask('/livez?verbose');
    const ready = await ask('/readyz?pretty=1&verbose=true');
    expect([live.status, ready.status]).toEqual([200, 503]);
    expect([JSON.parse(live.body), JSON.parse(ready.body)]).toEqual([LAPSED, LAPSED]);
    expect((await ask('/livez?quiet')).body).toBe('ok LAPSED\n');
  });

  test('has no body for HEAD, and refuses other methods and paths', async () => {
    const ask = await following(LAPSED);
    expect(await ask('/readyz', 'HEAD')).toMatchObject({ status: 503, body: '' });
    const refused = await ask('/readyz', 'POST');
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    for (const path of ['/', '/livez/', '/healthz/x', '//livez']) {
      expect([path, (await ask(path)).status]).toEqual([path, 404]);
    }
  });
});

test('leaves other paths of a node server to next, and no probe', async () => {
  const { node } = healthHandler();
  const seen: string[] = [];
  const ask = await listening((request, response) => {
    node(request, response, () => {
      seen.push(request.url!);
      response.end('mine');
    });
  });
  expect((await ask('/orders/readyz')).body).toBe('mine');
  expect((await ask('/readyz')).status).toBe(503);
  expect(seen).toEqual(['/orders/readyz']);
});

test('answers for one app at a time, and for the next once that has ended', () => {
  const health = healthHandler();
  let state: Health['state'] = 'serving';
  health.follow(() => ({ ...SERVING, state }));
  const again = (): void => {
    health.follow(() => SERVING);
  };
  expect(again).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  state = 'failed';
  expect(again).not.toThrow();
});

test('in a drain /readyz fails first: calls are served for drainDelayMs, and refused only then', async () => {
  const { clock, start } = place();
  const health = healthHandler();
  const ask = asFetch(health);
  const app = await start('n1', { health, drainDelayMs: 5_000 }).app();
  expect((await ask('/readyz')).status).toBe(200);
  const closing = app.close();
  expect((await ask('/readyz')).body).toBe('failed DRAINING\n');
  expect((await ask('/livez')).status).toBe(200);
  await clock.advance(4_999);
  expect(app.node.state).toBe('serving');
  const call = app.ref(Greeter, 'a').greet({ name: 'b' });
  await clock.advance(0);
  expect(await call).toBe('hello from a, b');
  await clock.advance(1);
  expect(app.node.state).not.toBe('serving');
  await clock.advance(5_000);
  await closing;
  expect((await ask('/livez')).body).toBe('failed CLOSED\n');
});

test('an app that another handler cannot follow does not start', async () => {
  const cluster = memoryCluster();
  const options = { cluster, actors: [createGreeter().actor], signals: [], logger: false } as const;
  const health = healthHandler();
  await using app = await createApp({ ...options, health });
  await expect(createApp({ ...options, health })).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  expect(app.health().isReady).toBe(true);
  await expect(createApp({ ...options, health: {} as never })).rejects.toMatchObject({
    message: expect.stringContaining('health must be an object with a method follow()') as string,
  });
});

describe('a process that only calls', () => {
  test('is ready while it is connected, and not live once it has closed', async () => {
    const health = healthHandler();
    const ask = asFetch(health);
    const connecting = connectClient({ cluster: memoryCluster(), health, logger: false });
    expect((await ask('/readyz')).body).toBe('failed STARTING\n');
    const client = await connecting;
    expect((await ask('/readyz')).status).toBe(200);
    const closing = client.close();
    expect((await ask('/readyz')).body).toBe('failed DRAINING\n');
    await closing;
    expect((await ask('/livez')).body).toBe('failed CLOSED\n');
  });

  test('says why it could not connect', async () => {
    const health = healthHandler();
    const cluster = { ...memoryCluster(), connect: () => Promise.reject(new Error('secret')) };
    await expect(connectClient({ cluster, health, logger: false })).rejects.toThrow('secret');
    const { body } = await asFetch(health)('/livez?verbose');
    expect(JSON.parse(body)).toMatchObject({ state: 'failed', reasons: [{ code: 'START_FAILED' }] });
    expect(body).toContain('the client did not start');
    expect(body).not.toContain('secret');
  });

  test('refuses a wrong handler and a wrong clock', async () => {
    const cluster = memoryCluster();
    const wrong = connectClient({ cluster, health: {} as never });
    await expect(wrong).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    const clockless = connectClient({ cluster, health: healthHandler(), clock: {} as never, logger: false });
    await expect(clockless).rejects.toMatchObject({ code: 'INVALID_OPTION' });
  });
});
