import { TIMINGS, systemClock } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import { describe, expect, test } from 'vitest';
import { natsMembership, provisionCluster } from '../src/index.ts';
import { resolveMembershipOptions, resolveProvisionOptions } from '../src/membership-options.ts';

const refusal = (message: RegExp): unknown =>
  expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringMatching(message) });

test('the defaults are used', () => {
  expect(resolveMembershipOptions({})).toEqual({
    cluster: 'clstr',
    prefix: 'clstr',
    bucket: 'clstr',
    replicas: 1,
    storage: 'file',
    allowUnsafeServer: false,
    inboxPrefix: '_INBOX',
    timing: TIMINGS.default,
    placement: 'rendezvous',
    clock: systemClock,
    logger: silentLogger,
    connect: {
      servers: ['127.0.0.1:4222'],
      timeout: 2_000,
      reconnectTimeWait: 250,
      pingInterval: 2_000,
      noAsyncTraces: true,
      pendingLimit: 262_144,
      inboxPrefix: '_INBOX',
    },
  });
});

test('what is given is used', () => {
  const tls = { caFile: 'ca.pem' };
  const options = resolveMembershipOptions({
    servers: ['a:1', 'nats://b:2'],
    name: 'me',
    tls,
    user: 'u',
    pass: 'p',
    cluster: 'My-1_x',
    replicas: 3,
    allowUnsafeServer: true,
    inboxPrefix: 'my.inbox',
    timing: 'fast',
    placement: 'bounded',
  });
  expect(options).toMatchObject({
    cluster: 'My-1_x',
    prefix: 'My-1_x',
    bucket: 'My-1_x',
    replicas: 3,
    allowUnsafeServer: true,
    placement: 'bounded',
    timing: TIMINGS.fast,
    connect: {
      servers: ['a:1', 'nats://b:2'],
      name: 'me',
      tls,
      user: 'u',
      pass: 'p',
      inboxPrefix: 'my.inbox',
      timeout: TIMINGS.fast.dialMs,
      pingInterval: TIMINGS.fast.pingMs,
    },
  });
  expect(Object.isFrozen(options)).toBe(true);
  expect(resolveProvisionOptions({ storage: 'memory', replicas: 5 })).toMatchObject({
    storage: 'memory',
    replicas: 5,
    shards: undefined,
  });
});

test('the name of the cluster gives the subjects that its nodes have to use, unless a prefix is set', () => {
  const place = (options: object) => natsMembership(options).cluster;
  expect(place({})).toEqual({ name: 'clstr', prefix: 'clstr' });
  expect(place({ cluster: 'shop' })).toEqual({ name: 'shop', prefix: 'shop' });
  expect(place({ cluster: 'shop', subjectPrefix: 'go.shop' })).toEqual({ name: 'shop', prefix: 'go.shop' });
  const prefixes = [{}, { cluster: 'shop' }, { cluster: 'shop', subjectPrefix: 'go.shop' }].map(
    (options) => resolveProvisionOptions({ ...options, numShards: 8 }).shards?.prefix,
  );
  expect(prefixes).toEqual(['clstr', 'shop', 'go.shop']);
});

test('provisioning shards takes the defaults of nodes, and waits for the default profile', () => {
  expect(resolveProvisionOptions({ numShards: 8 })).toMatchObject({
    shards: { numShards: 8, seed: '', placement: 'rendezvous', isNew: false, afterEpoch: 0 },
    timing: TIMINGS.default,
  });
  const given = { numShards: 8, seed: 's', placement: 'bounded', isNew: true, afterEpoch: 5 } as const;
  expect(resolveProvisionOptions({ ...given, timing: 'fast' })).toMatchObject({
    shards: given,
    timing: TIMINGS.fast,
  });
});

test('the membership shows its timing and placement, and connects to nothing yet', () => {
  const membership = natsMembership({ servers: 'nowhere:1', placement: 'bounded' });
  expect(membership).toMatchObject({ name: 'nats', timing: TIMINGS.default, placement: 'bounded' });
  expect(Object.isFrozen(membership)).toBe(true);
});

const SHARED: readonly (readonly [options: unknown, message: RegExp])[] = [
  [{ url: 'x' }, /unknown option "url"; known: servers, /],
  [{ connection: {} }, /unknown option "connection"/],
  [{ pingIntervalMs: 1 }, /unknown option "pingIntervalMs"/],
  [{ servers: [] }, /servers must be .* got an array$/],
  [{ servers: 5 }, /servers must be .* got 5$/],
  [{ user: '' }, /user must be a non-empty string$/],
  [{ token: 't', user: 'u' }, /give one of token, user, /],
  [{ tls: true }, /tls must be an object, got a boolean$/],
  [{ cluster: '' }, /cluster must be 1 to 64 of .* got ""$/],
  [{ cluster: 'a.b' }, /cluster must be .* got "a.b"$/],
  [{ cluster: 'a*' }, /cluster must be .* got "a\*"$/],
  [{ cluster: 'x'.repeat(65) }, /cluster must be /],
  [{ cluster: 5 }, /cluster must be .* got 5$/],
  [{ replicas: 0 }, /replicas must be a whole number from 1 to 5, got 0$/],
  [{ replicas: 6 }, /replicas .* got 6$/],
  [{ replicas: NaN }, /replicas .* got NaN$/],
  [{ allowUnsafeServer: 1 }, /allowUnsafeServer must be true or false, got 1$/],
  [{ inboxPrefix: '' }, /inboxPrefix must be .* got ""$/],
  [{ inboxPrefix: 'a.>' }, /inboxPrefix must be .* got "a.>"$/],
  [{ clock: {} }, /clock must be an object with a method monoMs\(\), got an object$/],
  [{ logger: {} }, /logger must be an object with a method debug\(\), got an object$/],
  [5, /options must be an object, got 5$/],
];

describe('natsMembership', () => {
  test.each<readonly [options: unknown, message: RegExp]>([
    ...SHARED,
    [{ storage: 'file' }, /unknown option "storage"/],
    [{ timing: 'slow' }, /timing must be .* got "slow"$/],
    [{ timing: { ...TIMINGS.fast, pingMs: 0 } }, /timing.pingMs must be .* got 0$/],
    [{ timing: { ...TIMINGS.fast, pingMs: 1_000 } }, /timing must keep 3 pingMs <= leaseMs \/ 2/],
    [{ placement: 'ring' }, /placement must be 'rendezvous' or 'bounded', got "ring"$/],
  ])('refuses %o', (options, message) => {
    expect(() => natsMembership(options as object)).toThrow(
      refusal(new RegExp(`^natsMembership: .*${message.source}`)),
    );
  });
});

describe('provisionCluster', () => {
  test.each<readonly [options: unknown, message: RegExp]>([
    ...SHARED,
    [{ storage: 'disk' }, /storage must be 'file' or 'memory', got "disk"$/],
    ...['seed', 'placement', 'timing', 'isNew', 'afterEpoch'].map(
      (name) =>
        [
          { [name]: name === 'timing' ? 'fast' : 1 },
          new RegExp(`${name} has no effect without numShards$`),
        ] as const,
    ),
    [{ numShards: 0 }, /numShards must be a whole number from 1 to 16777216, got 0$/],
    [{ numShards: 1, seed: 5 }, /seed must be a string/],
    [{ numShards: 1, placement: 'best' }, /placement must be 'rendezvous' or 'bounded', got "best"$/],
    [{ numShards: 1, timing: 'slow' }, /timing must be one of default, datacenter, fast/],
    [{ numShards: 1, isNew: 1 }, /isNew must be true or false, got 1$/],
    [{ numShards: 1, afterEpoch: -1 }, /afterEpoch must be a whole number from 0/],
  ])('refuses %o', async (options, message) => {
    await expect(provisionCluster(options as object)).rejects.toEqual(
      refusal(new RegExp(`^provisionCluster: .*${message.source}`)),
    );
  });
});

test('a service has subjects and a bucket of its own, and the service named default is the one without a name', () => {
  const place = (service: string) => {
    const { prefix, bucket } = resolveMembershipOptions({ cluster: 'shop', service });
    return [prefix, bucket];
  };
  expect(place('inventory')).toEqual(['shop.service.inventory', 'shop_inventory']);
  expect(place('default')).toEqual(['shop', 'shop']);
  expect(() => place('a_b')).toThrow(refusal(/service must be a name of 1 to 32/));
});
