import { describe, expect, test } from 'vitest';
import { KnownServers, addressOf, randomFraction } from '../src/known-servers.ts';

const round = (servers: KnownServers): string[] => servers.all.map(() => servers.next());

test.each([
  ['nats://Host:4333', 'host:4333'],
  ['host', 'host:4222'],
  ['tls://10.0.0.1', '10.0.0.1:4222'],
  ['[::1]:5222', '[::1]:5222'],
  ['[::1]', '[::1]:4222'],
  ['fe80::1', '[fe80::1]:4222'],
])('%s is dialed at %s', (url, address) => {
  expect(addressOf(url)).toBe(address);
});

describe('known servers', () => {
  test('are dialed in turn, each once a round, whatever names they were given by', () => {
    const servers = new KnownServers(['a', 'nats://A:4222', 'b:1', 'c:1']);
    const first = round(servers);
    expect([...first].sort()).toEqual(['a:4222', 'b:1', 'c:1']);
    expect(round(servers)).toEqual(first);
  });

  test('that are learned come before the one that named them, and those of the options stay', () => {
    const servers = new KnownServers(['a:1']);
    servers.next();
    servers.learn(['a:1', 'b:1', 'B:1']);
    expect(servers.all).toEqual(['b:1', 'a:1']);
    expect([servers.isLearned('a:1'), servers.isLearned('b:1')]).toEqual([false, true]);
    servers.learn(['c:1']);
    expect(servers.all).toEqual(['c:1', 'a:1']);
  });

  test('are no more than 64 besides those of the options', () => {
    const servers = new KnownServers(['a:1']);
    servers.learn(Array.from({ length: 1_000 }, (_, i) => `s${i}:1`));
    expect(servers.all).toHaveLength(65);
    servers.learn(Array.from({ length: 1_000 }, (_, i) => `t${i}:1`));
    expect(servers.all).toHaveLength(65);
    expect(servers.all).toContain('a:1');
  });
});

test('a random fraction is from 0 up to 1', () => {
  for (let i = 0; i < 1_000; i++) {
    const fraction = randomFraction();
    expect(fraction >= 0 && fraction < 1).toBe(true);
  }
});
