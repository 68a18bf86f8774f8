import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { hasNatsServer } from '../src/nats-binary.ts';
import { startNatsServer } from '../src/nats-server.ts';
import type { NatsServer, NatsServerOptions } from '../src/nats-server.ts';

describe.skipIf(!hasNatsServer())('startNatsServer', () => {
  const servers: NatsServer[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const server of servers.splice(0)) await server.stop();
  });

  async function start(options?: NatsServerOptions): Promise<NatsServer> {
    const server = await startNatsServer(options);
    servers.push(server);
    return server;
  }

  /** What the server says of itself to everybody who connects. */
  async function infoOf({ host, port }: NatsServer): Promise<Record<string, unknown>> {
    const socket = connect(port, host);
    sockets.push(socket);
    const text = await new Promise<string>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('data', (bytes) => {
        resolve(bytes.toString());
      });
    });
    return JSON.parse(text.slice('INFO '.length)) as Record<string, unknown>;
  }

  test('resolves with a server that answers, each on a port and in a folder of its own', async () => {
    const [one, two] = [await start(), await start()];
    for (const server of [one, two]) {
      expect(await infoOf(server)).toMatchObject({ host: server.host, port: server.port });
      expect(server.url).toBe(`nats://127.0.0.1:${server.port}`);
      expect(existsSync(server.folder)).toBe(true);
    }
    expect(one.port).not.toBe(two.port);
    expect(one.folder).not.toBe(two.folder);
  });

  test('stop ends the process and removes its folder, once or twice', async () => {
    const server = await start({ args: ['-js'] });
    const pid = server.pid!;
    await Promise.all([server.stop(), server.stop()]);
    await server.stop();
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
    expect([existsSync(server.folder), server.pid]).toEqual([false, undefined]);
  });

  test('await using stops it', async () => {
    let pid = 0;
    {
      await using server = await startNatsServer();
      pid = server.pid!;
    }
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  test('kill ends it and keeps its folder; restart brings it back on the same port', async () => {
    const server = await start();
    const { port, pid } = server;
    await server.kill();
    expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
    await expect(infoOf(server)).rejects.toThrow('ECONNREFUSED');
    expect([existsSync(server.folder), server.pid]).toEqual([true, undefined]);
    await server.restart();
    expect([server.port, (await infoOf(server))['port']]).toEqual([port, port]);
    const second = server.pid;
    await server.restart();
    expect(server.pid).not.toBe(second);
    expect(await infoOf(server)).toMatchObject({ port });
  });

  test('warns about a server that ends by itself, with what it printed, and about no other', async () => {
    const [gone, other] = [await start(), await start()];
    await other.kill();
    await other.restart();
    const warned = once(process, 'warning') as Promise<[Error]>;
    const { pid } = gone;
    process.kill(pid!, 'SIGTERM');
    const [warning] = await warned;
    expect(warning.message).toMatch(`nats-server (pid ${pid}, ${gone.url}) ended by itself with `);
    expect(warning.message).toMatch(/it printed:\n[^]*Server is ready[^]*Server Exiting/);
    expect(gone.pid).toBeUndefined();
  });

  test('config, args and port reach the server', async () => {
    const port = await freePort();
    const server = await start({ config: 'max_payload: 4096', args: ['--name', 'by-args'], port });
    expect(await infoOf(server)).toMatchObject({ max_payload: 4096, server_name: 'by-args', port });
    expect(server.port).toBe(port);
  });

  test('fails with what the server printed when its configuration is wrong', async () => {
    const starting = startNatsServer({ config: 'no such thing {{{' });
    await expect(starting).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringMatching(/ended with 1; it printed:[^]*Parse error/i) as string,
    });
  });

  test('fails when it is not ready within startTimeoutMs', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'clstr-silent-'));
    const silent = path.join(folder, 'nats-server');
    writeFileSync(silent, '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    vi.stubEnv('NATS_SERVER_BIN', silent);
    try {
      await expect(startNatsServer({ startTimeoutMs: 200 })).rejects.toMatchObject({
        code: 'CONNECT_FAILED',
        message: expect.stringContaining('not ready within 200 ms') as string,
      });
    } finally {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  });

  test.each([
    [{ prot: 4222 }, /prot/],
    [{ port: 0 }, /port/],
    [{ port: 65_536 }, /port/],
    [{ config: 5 }, /config/],
    [{ args: [5] }, /args/],
    [{ startTimeoutMs: 0 }, /startTimeoutMs/],
  ])('refuses %j', async (options, message) => {
    await expect(startNatsServer(options as NatsServerOptions)).rejects.toMatchObject({
      code: 'INVALID_OPTION',
      message: expect.stringMatching(message) as string,
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
