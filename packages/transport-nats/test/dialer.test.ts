import type { ClstrError } from '@clstr/core';
import { deferred, fakeClock } from '@clstr/testing';
import type { FakeClock } from '@clstr/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Dial } from '../src/dial.ts';
import { Dialer } from '../src/dialer.ts';
import type { StubServer } from './stub-server.ts';
import { startStubServer } from './stub-server.ts';

const WAIT_MS = 1_000;
let stubs: StubServer[];
let clock: FakeClock;
let failures: ClstrError[];
let onFailure: () => void;

beforeEach(async () => {
  stubs = [];
  const connectUrls = () => stubs.map((stub) => stub.address);
  for (let i = 0; i < 3; i++) stubs.push(await startStubServer({ connectUrls }));
  clock = fakeClock();
  failures = [];
  onFailure = () => undefined;
});
afterEach(() => Promise.all(stubs.map((stub) => stub.close())));

function dialer(servers = stubs, timeout = 20_000): Dialer {
  return new Dialer({
    connect: { servers: servers.map(({ address }) => address), reconnectTimeWait: WAIT_MS, timeout },
    clock,
    onFailure: (error) => {
      failures.push(error);
      onFailure();
    },
  });
}

const logins = (): number => stubs.reduce((sum, stub) => sum + stub.logins, 0);
const failed = (count: number): Promise<void> => {
  const { promise, resolve } = deferred();
  onFailure = () => failures.length >= count && resolve();
  onFailure();
  return promise;
};

describe('the first session', () => {
  test('is refused after one log-in at each server of the options', async () => {
    for (const stub of stubs) stub.mode = 'refuse';
    await expect(dialer().first()).rejects.toMatchObject({ code: 'AUTH_FAILED' });
    expect(stubs.map((stub) => stub.logins)).toEqual([1, 1, 1]);
  });

  test('is refused after one log-in, though the server names two others', async () => {
    for (const stub of stubs) stub.mode = 'refuse';
    await expect(dialer([stubs[0]!]).first()).rejects.toMatchObject({ code: 'AUTH_FAILED' });
    expect(logins()).toBe(1);
  });

  test('is said to be refused where one server refuses and others cannot be reached', async () => {
    stubs[0]!.mode = 'refuse';
    const away = [stubs.pop()!, stubs.pop()!];
    const servers = [stubs[0]!, ...away].map(({ address }) => address);
    await Promise.all(away.map((stub) => stub.close()));
    const connect = { servers, reconnectTimeWait: WAIT_MS };
    const first = new Dialer({ connect, clock, onFailure: () => undefined }).first();
    await expect(first).rejects.toMatchObject({ code: 'AUTH_FAILED' });
  });

  test('fails with what the server said, where it only closes after that', async () => {
    stubs[0]!.mode = 'full';
    await expect(dialer([stubs[0]!]).first()).rejects.toMatchObject({
      code: 'CONNECT_FAILED',
      message: expect.stringContaining('maximum connections exceeded') as string,
    });
  });
});

describe('after a session has ended', () => {
  test('refused log-ins are as far apart as the pause says, over all servers that were learned', async () => {
    const one = dialer([stubs[0]!]);
    const session = await one.first();
    const before = logins();
    for (const stub of stubs) stub.mode = 'refuse';
    await clock.advance(60_000);
    session.destroy();
    const next = one.next(session);
    await failed(1);
    const pausesMs = Array.from({ length: 24 }, (_, i) => WAIT_MS * Math.min(1.25 ** Math.floor(i / 3), 4));
    // The first at once; then the pause holds, whichever server is next.
    for (const [nth, pauseMs] of pausesMs.entries()) {
      await clock.advance(Math.floor(pauseMs) - 1);
      expect(clock.timerCount).toBe(1);
      expect(logins() - before).toBe(nth + 1);
      await clock.advance(Math.ceil(pauseMs * 0.2) + 2);
      await failed(nth + 2);
    }
    expect(stubs.map((stub) => stub.logins).every((count) => count >= 4)).toBe(true);
    expect(failures.every(({ code }) => code === 'AUTH_FAILED')).toBe(true);
    one.stop();
    expect(await next).toBeUndefined();
    expect(clock.timerCount).toBe(0);
  });

  test('one that ended at once is not followed by another at once', async () => {
    const one = dialer();
    const session = await one.first();
    const dials = (): number => stubs.reduce((sum, stub) => sum + stub.dials, 0);
    session.destroy();
    const next = one.next(session);
    await clock.advance(WAIT_MS - 1);
    expect(clock.timerCount).toBe(1);
    expect(dials()).toBe(1);
    await clock.advance(WAIT_MS * 0.2 + 1);
    const second = await next;
    expect(dials()).toBe(2);
    second!.destroy();
  });

  test('the next server is dialed before the one that was lost', async () => {
    const one = dialer();
    const session = await one.first();
    const first = stubs.findIndex((stub) => stub.dials === 1);
    await clock.advance(60_000);
    session.destroy();
    const second = await one.next(session);
    expect(stubs[first]!.dials).toBe(1);
    second!.destroy();
  });
});

describe('a dial', () => {
  test('that times out leaves no socket', async () => {
    const [stub] = stubs;
    stub!.mode = 'silent';
    await expect(dialer([stub!], 50).first()).rejects.toMatchObject({ code: 'CONNECT_FAILED' });
    await stub!.until(() => stub!.open.size === 0);
    expect(stub!.dials).toBe(1);
  });

  test('that times out in the middle of a TLS handshake leaves no socket', async () => {
    const [stub] = stubs;
    stub!.mode = 'silent';
    const tls = { handshakeFirst: true };
    const dial = new Dial({ servers: [stub!.address], reconnect: false, timeout: 50, tls });
    await expect(dial.session).rejects.toThrow();
    await stub!.until(() => stub!.open.size === 0);
  });

  test('is ended by stop, with its socket', async () => {
    const [stub] = stubs;
    stub!.mode = 'silent';
    const one = dialer([stub!]);
    const first = one.first().catch((error: unknown) => error);
    await stub!.until(() => stub!.open.size === 1);
    one.stop();
    expect(await first).toMatchObject({ code: 'CONNECT_FAILED' });
    await stub!.until(() => stub!.open.size === 0);
  });

  test('leaves the sockets of others alone', async () => {
    const [silent, other] = stubs;
    silent!.mode = 'silent';
    const dialing = new Dial({ servers: [silent!.address], reconnect: false, timeout: 20_000 });
    const refused = dialing.session.catch((error: unknown) => error);
    await silent!.until(() => silent!.open.size === 1);
    const session = await new Dial({ servers: [other!.address], reconnect: false }).session;
    dialing.abort();
    await refused;
    await session.nats.flush();
    expect(other!.open.size).toBe(1);
    session.destroy();
    await other!.until(() => other!.open.size === 0);
  });
});
