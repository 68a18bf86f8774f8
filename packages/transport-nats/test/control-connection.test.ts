import type { ClstrError, Logger } from '@clstr/core';
import { systemClock } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { connect } from 'nats';
import type { ConnectionOptions } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openControlConnection } from '../src/control-connection.ts';
import type { ControlConnection } from '../src/control-connection.ts';

/** `inbox` may listen to nothing but its answers. */
const config = `
  authorization { users = [
    { user: all, password: p },
    { user: inbox, password: p, permissions: { subscribe: [ "_INBOX.>" ] } },
  ] }`;
const never = (): void => {
  expect.unreachable();
};
const LOST = { code: 'CONNECTION_LOST', message: 'the connection to the membership store is closed' };

describe.skipIf(!hasNatsServer())('a connection of membership', () => {
  let server: NatsServer;
  let control: ControlConnection | undefined;
  let logged: { fields: unknown; message: string }[];
  let onLog: () => void;
  beforeEach(async () => {
    [logged, onLog] = [[], () => undefined];
    server = await startNatsServer({ config });
  });
  afterEach(async () => {
    await control?.close();
    await server.stop();
  });

  async function open(options: ConnectionOptions = {}): Promise<ControlConnection> {
    const log: Logger['warn'] = (fields, message) => {
      logged.push({ fields, message: message ?? '' });
      onLog();
    };
    control = await openControlConnection({
      connect: {
        servers: [server.url],
        user: 'all',
        pass: 'p',
        reconnectTimeWait: 20,
        pingInterval: 2_000,
        ...options,
      },
      clock: systemClock,
      logger: { ...silentLogger, warn: log, error: log },
    });
    return control;
  }

  const untilLogged = (lines: number): Promise<void> => {
    const { promise, resolve } = deferred();
    onLog = () => {
      if (logged.length === lines) resolve();
    };
    return promise;
  };

  function next(from: ControlConnection, wanted: boolean): Promise<void> {
    const { promise, resolve } = deferred();
    const stop = from.onConnection((isConnected) => {
      if (isConnected !== wanted) return;
      stop();
      resolve();
    });
    return promise;
  }

  test('publishes without an answer until it is closed', async () => {
    const peer = await connect({ servers: server.url, user: 'all', pass: 'p' });
    const heard: string[] = [];
    const first = deferred();
    peer.subscribe('told.>', {
      callback: (_error, { subject }) => {
        heard.push(subject);
        first.resolve();
      },
    });
    await peer.flush();
    const own = await open();
    own.tell('told.once');
    await first.promise;
    await own.close();
    own.tell('told.again');
    await peer.flush();
    expect(heard).toEqual(['told.once']);
    await peer.close();
  });

  test('sends and receives nothing once it is closed', async () => {
    const own = await open();
    await own.close();
    const asked = own.request({ subject: 'a', bytes: undefined, headers: undefined, timeoutMs: 1_000 });
    await expect(asked).rejects.toMatchObject(LOST);
    expect(() => own.subscribe('a', never, never)).toThrow(expect.objectContaining(LOST));
  });

  test('tells a subscriber that the server forbids its subject', async () => {
    const own = await open({ user: 'inbox' });
    const refusal = deferred<ClstrError>();
    own.subscribe('other', never, refusal.resolve);
    expect(await refusal.promise).toMatchObject({ code: 'NO_PERMISSION' });
  });

  test('sends nothing to a subject that is not plain', async () => {
    const own = await open();
    const seen: string[] = [];
    const all = await connect({ servers: server.url, user: 'all', pass: 'p' });
    all.subscribe('>', { callback: (_error, { subject }) => seen.push(subject) });
    await all.flush();
    const subject = 'a 0\r\n\r\nPUB admin';
    const question = own.request({ subject, bytes: undefined, headers: undefined, timeoutMs: 1_000 });
    await expect(question).rejects.toMatchObject({ code: 'INVALID_OPTION' });
    own.tell(subject);
    const last = deferred();
    all.subscribe('last', { callback: () => last.resolve() });
    await all.flush();
    own.tell('last');
    await last.promise;
    await all.close();
    expect(seen).toEqual(['last']);
  });

  test('logs what a subscriber throws, and goes on calling it', async () => {
    const own = await open();
    const second = deferred();
    let count = 0;
    own.subscribe(
      'thrown',
      () => {
        if (++count === 2) second.resolve();
        throw new Error('of a test');
      },
      never,
    );
    own.tell('thrown');
    own.tell('thrown');
    await second.promise;
    expect(logged[0]).toMatchObject({
      fields: { err: { message: 'of a test' }, subject: 'thrown' },
      message: 'a listener of the membership store threw',
    });
  });

  test('dials until a server answers', async () => {
    const own = await open();
    const failed = untilLogged(1);
    await server.kill();
    await failed;
    expect(logged.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^the connection to the membership store is still down: cannot connect to /),
    ]);
    const up = next(own, true);
    await server.restart();
    await up;
    const alone = own.request({ subject: 'a', bytes: undefined, headers: undefined, timeoutMs: 5_000 });
    await expect(alone).rejects.toMatchObject({ code: 'NO_SUBSCRIBER' });
  });
});
