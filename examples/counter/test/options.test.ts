import { expect, test } from 'vitest';
import { readOptions } from '../src/options.ts';

test('has a default for everything', () => {
  expect(readOptions([])).toEqual({
    requests: 100_000,
    keys: 1_000,
    nodes: 3,
    concurrency: 256,
    transport: 'memory',
    chaos: false,
    watch: false,
    serve: false,
    port: 8080,
  });
});

test('takes every option', () => {
  const args = '--requests 5 --keys 4 --nodes 2 --concurrency 3 --transport nats --nats-url host:4222';
  expect(readOptions(args.split(' '))).toMatchObject({
    requests: 5,
    keys: 4,
    nodes: 2,
    concurrency: 3,
    transport: 'nats',
    natsUrl: { servers: 'nats://host:4222' },
  });
  expect(readOptions(['--serve', '--port', '0'])).toMatchObject({ serve: true, port: 0 });
  expect(readOptions(['--transport', 'nats', '--chaos'])).toMatchObject({ chaos: true });
});

test.each([
  ['nats://host:4222', { servers: 'nats://host:4222' }],
  ['host:4222', { servers: 'nats://host:4222' }],
  ['tls://host', { servers: 'tls://host', tls: {} }],
  ['nats://me:s%40cret@[::1]:4222/', { servers: 'nats://[::1]:4222', user: 'me', pass: 's@cret' }],
  ['nats://token@host:4222', { servers: 'nats://host:4222', token: 'token' }],
])('reads the address %s', (url, address) => {
  expect(readOptions(['--transport', 'nats', '--nats-url', url]).natsUrl).toEqual(address);
});

test.each([
  ['--requests 0', '--requests', "'0'"],
  ['--requests -5', '--requests', "'-5'"],
  ['--requests 1e5', '--requests', "'1e5'"],
  ['--requests=', '--requests', "''"],
  ['--keys 1000001', '--keys', "'1000001'"],
  ['--nodes many', '--nodes', "'many'"],
  ['--concurrency 16385', '--concurrency', "'16385'"],
  ['--transport carrier-pigeon', '--transport', "'carrier-pigeon'"],
  ['--transport nats --nats-url http://host', '--nats-url', "'http://host'"],
  ['--transport nats --nats-url nats://a%b:c@host', '--nats-url', "'nats://a%b:c@host'"],
  ['--transport nats --nats-url nats://host/path', '--nats-url', "'nats://host/path'"],
  ['--serve --port 65536', '--port', "'65536'"],
  ['--nats-url nats://me:secret@host', '--nats-url', 'nats://host'],
  ['--port 80', '--port', '80'],
  ['--serve --keys 3', '--keys', '--serve'],
  ['--chaos', '--chaos', '--transport nats'],
  ['--watch', '--watch', '--transport nats'],
  ['--transport nats --watch --chaos', '--watch', '--chaos'],
  ['--transport nats --chaos --keys 3', '--keys', '--chaos'],
  ['--request 5', '--request', 'unknown option'],
  ['5', '5', 'unexpected'],
])('refuses %s in one line that names the option and the value', (args, option, value) => {
  const read = (): unknown => readOptions(args.split(' '));
  expect(read).toThrow(option);
  expect(read).toThrow(value);
  expect(read).toThrow(/^error: [^\n]+$/);
});
