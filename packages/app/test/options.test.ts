import type { Transport } from '@clstr/core';
import { defineActor, request } from '@clstr/actors';
import { memoryCluster, memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { createApp } from '../src/app.ts';
import type { AppOptions } from '../src/options.ts';
import { defaults, resolveAppOptions } from '../src/options.ts';
import { createGreeter } from './greeter.ts';

const actors = [createGreeter().actor];
const Elsewhere = defineActor('elsewhere', { get: request<void, number>() }, { service: 'inventory' });
const elsewhere = Elsewhere.implement({ setup: () => 1, handlers: { get: () => 1 } });
const transport = (): Transport => memoryTransport();

test.each([
  [{ transprot: transport }, /unknown option "transprot"; known: cluster, transport, /],
  [{ cluster: memoryCluster() }, /transport must be left out with cluster/],
  [
    { cluster: memoryCluster(), transport: undefined, numShards: 8 },
    /numShards must be left out with cluster/,
  ],
  [{ cluster: {}, transport: undefined }, /cluster must be an object with a method connect/],
  [{ service: 'shop' }, /service must be left out without cluster/],
  [
    { cluster: memoryCluster(), transport: undefined, service: 'shop', actors: [elsewhere] },
    /service must be a service that at least one of the actors belongs to, got "shop"/,
  ],
  [{ actors: [elsewhere] }, /an actor of the service inventory/],
  [{ transport: undefined }, /cluster must be given, as natsCluster or memoryCluster make it/],
  [{ transport: memoryTransport() }, /transport must be a function/],
  [{ actors: undefined }, /actors must be a list of at least one actor, got undefined/],
  [{ actors: [] }, /actors/],
  [{ nodeIds: ['a', 'b'] }, /nodeId must be given together with nodeIds, got undefined/],
  [{ nodeId: 'c', nodeIds: ['a', 'b'] }, /"c" is not among the 2 nodeIds/],
  [{ nodeId: 'a', nodeIds: 'abc' }, /nodeIds must be a list/],
  [{ nodeId: 'a', nodeIds: ['a', 5] }, /5/],
  [{ numShards: 0 }, /numShards must be a whole number from 1 to 16777216, got 0/],
  [{ numShards: Number.NaN }, /numShards/],
  [{ seed: 5 }, /seed must be a string/],
  [{ drainMs: -1 }, /drainMs must be a whole number from 0 to 2147483647, got -1/],
  [{ drainDelayMs: 0.5 }, /drainDelayMs must be a whole number from 0/],
  [{ health: () => 1 }, /health must be an object with a method follow\(\)/],
  [{ clock: {}, logger: false }, /clock must be an object with a method monoMs\(\)/],
  [{ signals: 'SIGTERM' }, /signals must be a list of signal names, got "SIGTERM"/],
  [{ signals: ['SIGKILL'] }, /signals must be the name of a signal that a process may catch, got "SIGKILL"/],
  [{ signals: ['SIGSTOP'] }, /SIGSTOP/],
  [{ signals: ['TERM'] }, /"TERM"/],
  [{ signals: ['toString'] }, /"toString"/],
  [{ signals: [15] }, /15/],
  [{ client: 'fast' }, /client must be an object, got "fast"/],
  [{ client: { transport: memoryTransport() } }, /client\.transport has no effect/],
  [{ client: { seed: 's' } }, /client\.seed has no effect/],
  [{ client: { tracing: {} } }, /client\.tracing has no effect/],
  [{ node: { handler: () => 1 } }, /node\.handler has no effect/],
  [{ node: { id: 'n' } }, /node\.id has no effect/],
  [{ node: { tracing: {} } }, /node\.tracing has no effect/],
])('refuses %o before anything is started', async (wrong, message) => {
  let made = 0;
  const options = {
    transport() {
      made++;
      return memoryTransport();
    },
    actors,
    ...wrong,
  };
  await expect(createApp(options as unknown as AppOptions)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringMatching(message) as string,
  });
  expect(made).toBe(0);
});

test.each([
  [{ transport: () => undefined }, /transport must be a function that makes a transport, got undefined/],
  [{ transport: () => ({ close: () => Promise.resolve() }) }, /transport must be an object with a method/],
  [{ nodeId: 'not an id' }, /id must be of/],
  [{ actors: [actors[0], actors[0]] }, /two actors are named "greeter"/],
  [{ cacheSize: 0 }, /cacheSize/],
  [{ client: { timeoutMs: 0 } }, /createClient: timeoutMs/],
  [{ client: { retries: 5 } }, /createClient: unknown option "retries"/],
  [{ node: { maxInFlight: 0 } }, /createNode: maxInFlight/],
  [{ logger: {} }, /logger/],
  [{ clock: {} }, /clock/],
])('refuses %o, as the part does that it belongs to', async (wrong, message) => {
  const options = { transport, actors, ...wrong };
  await expect(createApp(options as unknown as AppOptions)).rejects.toMatchObject({
    code: 'INVALID_OPTION',
    message: expect.stringMatching(message) as string,
  });
});

test('has a default for everything but transport and actors', async () => {
  const resolved = resolveAppOptions({ transport, actors });
  expect(resolved).toMatchObject(defaults);
  const seat = await resolved.place.seat(undefined, resolved.logger);
  expect(seat).toMatchObject({ numShards: 1_024, seed: '', shards: { length: 1_024 }, routing: 'static' });
  expect(Object.isFrozen(resolved)).toBe(true);
  expect(Object.isFrozen(defaults)).toBe(true);
});

test('listens to a signal once that is named twice', () => {
  const { signals } = resolveAppOptions({ transport, actors, signals: ['SIGHUP', 'SIGHUP'] });
  expect(signals).toEqual(['SIGHUP']);
});
