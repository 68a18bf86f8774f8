import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startTcpProxy } from '../src/index.ts';
import type { ProxyMode, TcpProxy } from '../src/index.ts';

let server: Server;
let proxy: TcpProxy;
/** Accepted by the server, oldest first. */
let accepted: Socket[];
let clients: Socket[];

beforeEach(async () => {
  accepted = [];
  clients = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket.on('error', () => {}));
    socket.on('data', (bytes) => socket.write(bytes));
    socket.on('end', () => socket.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startTcpProxy({ port: (server.address() as AddressInfo).port });
});

afterEach(async () => {
  for (const socket of [...clients, ...accepted]) socket.destroy();
  await proxy.close();
  server.close();
});

async function client(): Promise<Socket> {
  const socket = connect(proxy.port, proxy.host);
  clients.push(socket.on('error', () => {}));
  await once(socket, 'connect');
  return socket;
}

/** Sends, and waits until as many bytes have come back. */
async function echo(socket: Socket, text: string): Promise<string> {
  let heard = '';
  const all = new Promise<void>((resolve) => {
    const listen = (bytes: Uint8Array): void => {
      heard += Buffer.from(bytes).toString();
      if (heard.length < text.length) return;
      socket.off('data', listen);
      resolve();
    };
    socket.on('data', listen);
  });
  socket.write(text);
  await all;
  return heard;
}

test('passes bytes both ways, in order, and counts them', async () => {
  const socket = await client();
  expect(await echo(socket, 'hello')).toBe('hello');
  const large = Array.from({ length: 100_000 }, (_, i) => String(i)).join();
  expect(await echo(socket, large)).toBe(large);
  const bytes = 5 + large.length;
  expect([proxy.bytesToServer, proxy.bytesToClient, proxy.bytesSwallowed]).toEqual([bytes, bytes, 0]);
  expect(proxy.connections).toBe(1);
});

test('passes the end of a connection', async () => {
  const socket = await client();
  await echo(socket, 'x');
  socket.end();
  await once(socket, 'close');
  expect(accepted[0]?.readableEnded).toBe(true);
});

test('delays each chunk by the latency, in order, even when the mode changes meanwhile', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  proxy.setMode({ kind: 'latency', ms: 100 });
  const startMs = performance.now();
  const first = echo(socket, 'slow');
  await once(accepted[0]!, 'data');
  // Half of it: without the delay it would take about a millisecond.
  expect(performance.now() - startMs).toBeGreaterThan(50);
  proxy.setMode({ kind: 'pass' });
  expect(await first).toBe('slow');
});

test('lets only so many bytes per second pass', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  proxy.setMode({ kind: 'throttle', bytesPerSecond: 10_000 });
  const startMs = performance.now();
  expect(await echo(socket, 'x'.repeat(1_000))).toHaveLength(1_000);
  // 100 ms each way; half of it, as above.
  expect(performance.now() - startMs).toBeGreaterThan(100);
});

test('a black hole swallows bytes and FIN of both sides, and what was swallowed stays lost', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  proxy.setMode({ kind: 'black-hole' });
  socket.write('lost');
  accepted[0]!.write('gone too');
  const silent = connect(proxy.port, proxy.host);
  clients.push(silent);
  await once(silent, 'connect');
  await until(() => proxy.bytesSwallowed === 12);
  proxy.setMode({ kind: 'pass' });
  expect(await echo(await client(), 'a new one passes')).toBe('a new one passes');
  socket.write('still lost');
  accepted[0]!.end();
  await until(() => proxy.bytesSwallowed === 22);
  expect([accepted.length, accepted[0]!.readableEnded, socket.readableEnded]).toEqual([2, false, false]);
});

test('a half open connection passes what the client sends, and swallows what the server sends', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  let heard = 0;
  socket.on('data', (bytes) => (heard += bytes.length));
  proxy.setMode({ kind: 'half-open' });
  socket.write('arrives');
  const [bytes] = (await once(accepted[0]!, 'data')) as [Buffer];
  expect(bytes.toString()).toBe('arrives');
  await until(() => proxy.bytesSwallowed === 7);
  accepted[0]!.end();
  proxy.setMode({ kind: 'pass' });
  await echo(await client(), 'a round trip');
  expect([heard, socket.readableEnded]).toEqual([0, false]);
});

test('a mute connection passes what the server sends, and swallows what the client sends', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  let arrived = 0;
  accepted[0]!.on('data', (bytes) => (arrived += bytes.length));
  proxy.setMode({ kind: 'mute' });
  socket.write('is lost');
  await until(() => proxy.bytesSwallowed === 7);
  accepted[0]!.write('is heard');
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  expect(bytes.toString()).toBe('is heard');
  proxy.setMode({ kind: 'pass' });
  expect(arrived).toBe(0);
});

test('reset ends connections without a FIN, and refuses new ones until the mode changes', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  const reset = once(socket, 'error');
  proxy.setMode({ kind: 'reset' });
  expect(await reset).toMatchObject([{ code: 'ECONNRESET' }]);
  const refused = connect(proxy.port, proxy.host);
  clients.push(refused);
  expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNRESET' }]);
  proxy.setMode({ kind: 'pass' });
  expect(await echo(await client(), 'back')).toBe('back');
  expect(proxy.connections).toBe(1);
});

test('reset() drops what is open, in whatever mode, and lets new ones pass', async () => {
  const socket = await client();
  const reset = once(socket, 'error');
  await echo(socket, 'warm');
  proxy.reset();
  await reset;
  expect(await echo(await client(), 'next')).toBe('next');
});

test('close ends all connections, once or twice; await using closes', async () => {
  const socket = await client();
  await echo(socket, 'warm');
  const ended = once(socket, 'error');
  await Promise.all([proxy.close(), proxy.close(), ended]);
  let port = 0;
  {
    await using other = await startTcpProxy({ port: 1 });
    port = other.port;
  }
  const refused = connect(port, '127.0.0.1');
  expect(await once(refused, 'error')).toMatchObject([{ code: 'ECONNREFUSED' }]);
});

test('ends the connection of a client when the server cannot be reached', async () => {
  await using orphan = await startTcpProxy({ port: 1 });
  const socket = connect(orphan.port, orphan.host).on('error', () => {});
  clients.push(socket);
  await once(socket, 'close');
  expect(orphan.connections).toBe(0);
});

describe('options', () => {
  test.each([
    [{ prt: 1 }, /unknown option "prt"/],
    [{}, /port must be .* got undefined/],
    [{ port: 0 }, /port must be .* got 0/],
    [{ port: 1, host: '' }, /host must be/],
  ])('refuses %j', async (options, message) => {
    await expect(startTcpProxy(options as { port: number })).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message) as string,
    });
  });

  test.each([
    [{ kind: 'fire' }, /kind must be .* got "fire"/],
    [{ kind: 'latency', ms: -1 }, /ms must be .* got -1/],
    [{ kind: 'throttle', bytesPerSecond: 0 }, /bytesPerSecond must be .* got 0/],
  ])('refuses the mode %j and keeps the one before', (mode, message) => {
    expect(() => {
      proxy.setMode(mode as ProxyMode);
    }).toThrow(message);
    expect(proxy.mode).toEqual({ kind: 'pass' });
  });
});

/** For counters, which tell nobody when they change. */
async function until(isMet: () => boolean): Promise<void> {
  while (!isMet()) await new Promise((resolve) => setImmediate(resolve));
}
