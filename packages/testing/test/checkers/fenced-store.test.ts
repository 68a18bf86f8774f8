import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { connectFencedStore } from '../../src/checkers/fenced-store-client.ts';
import { serveFencedStore } from '../../src/checkers/fenced-store-server.ts';
import { FencedStore } from '../../src/checkers/fenced-store.ts';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

const code = (text: string): unknown => expect.objectContaining({ code: text });

describe('a fenced store', () => {
  test('holds 0 of epoch 0 until the first write, and then what was written last', () => {
    const store = new FencedStore();
    expect(store.read('a')).toEqual({ value: 0, epoch: 0 });
    expect(store.write('a', 1, 3)).toEqual({ kind: 'written' });
    expect(store.write('a', 2, 3)).toEqual({ kind: 'written' });
    expect(store.write('b', 1, 1)).toEqual({ kind: 'written' });
    expect(store.read('a')).toEqual({ value: 2, epoch: 3 });
    expect(store.counts).toEqual({ written: 3, refused: 0 });
  });

  test.each([
    ['a lower epoch, the right value or not', 3, 2, 'stale-epoch'],
    ['the same value again', 2, 3, 'not-next'],
    ['a value after the next', 4, 3, 'not-next'],
    ['any but the next at a new epoch', 2, 4, 'not-next'],
  ])('refuses %s', (_, value, epoch, why) => {
    const store = new FencedStore();
    store.write('a', 1, 3);
    store.write('a', 2, 3);
    expect(store.write('a', value, epoch)).toEqual({ kind: 'refused', why, current: { value: 2, epoch: 3 } });
    expect(store.read('a')).toEqual({ value: 2, epoch: 3 });
    expect(store.counts.refused).toBe(1);
  });

  test('refuses the writes and claims of earlier owners once a later one has claimed', () => {
    const store = new FencedStore();
    store.write('a', 1, 3);
    expect(store.claim('a', 4)).toEqual({ value: 1, epoch: 4 });
    expect(store.write('a', 2, 3)).toMatchObject({ kind: 'refused', why: 'stale-epoch' });
    expect(store.claim('a', 3)).toBeUndefined();
    expect(store.write('a', 2, 4)).toEqual({ kind: 'written' });
    expect(store.counts).toEqual({ written: 2, refused: 2 });
  });

  test.each([
    ['key', [5, 1, 1]],
    ['value', ['a', 1.5, 1]],
    ['epoch', ['a', 1, 0]],
  ])('refuses a wrong %s as no value at all', (name, args) => {
    const store = new FencedStore();
    expect(() => store.write(...(args as [string, number, number]))).toThrow(new RegExp(`${name} must be`));
  });
});

describe('over TCP', () => {
  test('several clients share one store, pipelined', async () => {
    await using server = await serveFencedStore();
    await using one = await connectFencedStore({ port: server.port });
    await using two = await connectFencedStore({ port: server.port });
    const writes = Array.from({ length: 500 }, (_, index) => one.write('a', index + 1, 1));
    expect(new Set((await Promise.all(writes)).map(({ kind }) => kind))).toEqual(new Set(['written']));
    expect(await two.write('a', 501, 2)).toEqual({ kind: 'written' });
    const current = { value: 501, epoch: 2 };
    expect(await one.write('a', 502, 1)).toEqual({ kind: 'refused', why: 'stale-epoch', current });
    expect(await one.read('a')).toEqual(current);
    expect(server.store.counts).toEqual({ written: 501, refused: 1 });
  });

  test('a malformed request is answered with an error, and the connection goes on', async () => {
    await using server = await serveFencedStore();
    await using client = await connectFencedStore({ port: server.port });
    await expect(client.write('a', -1, 1)).rejects.toThrow(code('INTERNAL'));
    expect(await client.write('a', 1, 1)).toEqual({ kind: 'written' });
    const socket = connect(server.port, server.host);
    const reply = new Promise((resolve) => socket.once('data', (bytes) => resolve(String(bytes))));
    socket.write('{"id":7,"op":"drop"}\n');
    expect(await reply).toBe('{"id":7,"error":"op must be read or write"}\n');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write('no JSON\n');
    await closed;
  });

  test('requests that wait when the client closes fail as CONNECTION_LOST, and later ones as TRANSPORT_CLOSED', async () => {
    await using silent = await silentServer();
    const client = await connectFencedStore({ port: silent.port });
    const waiting = client.write('a', 1, 1);
    const lost = expect(waiting).rejects.toThrow(code('CONNECTION_LOST'));
    await client.close();
    await client.close();
    await lost;
    await expect(client.read('a')).rejects.toThrow(code('TRANSPORT_CLOSED'));
  });

  test('a server that closes ends its clients, even if it is closed twice', async () => {
    const server = await serveFencedStore();
    const client = await connectFencedStore({ port: server.port });
    await client.read('a');
    await server.close();
    await server.close();
    await client.close();
    await expect(client.read('a')).rejects.toThrow(code('TRANSPORT_CLOSED'));
  });

  test('an answer that does not come is a TIMEOUT', async () => {
    await using silent = await silentServer();
    await using client = await connectFencedStore({ port: silent.port, timeoutMs: 20 });
    await expect(client.read('a')).rejects.toThrow(code('TIMEOUT'));
  });

  test('an address without a server, and a port in use, are CONNECT_FAILED', async () => {
    const server = await serveFencedStore();
    await expect(serveFencedStore({ port: server.port })).rejects.toThrow(code('CONNECT_FAILED'));
    await server.close();
    await expect(connectFencedStore({ port: server.port })).rejects.toThrow(code('CONNECT_FAILED'));
  });

  test('wrong options are refused by name', async () => {
    await expect(serveFencedStore({ prot: 1 } as never)).rejects.toThrow('unknown option "prot"');
    await expect(serveFencedStore({ port: -1 })).rejects.toThrow('port must be');
    await expect(connectFencedStore({ port: 1, time: 1 } as never)).rejects.toThrow('unknown option "time"');
    await expect(connectFencedStore({ port: 1, timeoutMs: 0 })).rejects.toThrow('timeoutMs must be');
  });
});

/** Takes connections and never says anything. */
async function silentServer(): Promise<AsyncDisposable & { port: number }> {
  const server = createServer((socket) => socket.on('error', () => undefined).resume());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
