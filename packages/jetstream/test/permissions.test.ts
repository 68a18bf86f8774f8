/** The permissions of a node that keeps state, on a real server: its store does all of its work, and nothing else. */
import { systemClock } from '@clstr/core';
import { silentLogger } from '@clstr/core/internal';
import type { StateStore } from '@clstr/core/store';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { natsPermissions, natsTransport } from '@clstr/transport-nats';
import type { NatsTransport } from '@clstr/transport-nats';
import { connect } from 'nats';
import type { NatsConnection } from 'nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jetstreamStore } from '../src/index.ts';
import { TIMEOUT_MS, append, placeOf, readTexts, write } from './stage.ts';

const cluster = 'shop';
const user = (name: string, keepsState: boolean): string => {
  const permissions = natsPermissions({ role: 'node', inboxPrefix: `_INBOX.${name}`, cluster, keepsState });
  return `{ user: ${name}, password: "of-${name}", permissions: ${JSON.stringify(permissions)} }`;
};

describe.skipIf(!hasNatsServer())('a user with the permissions of natsPermissions', () => {
  let server: NatsServer;
  let raw: NatsConnection;
  const transports: NatsTransport[] = [];
  beforeAll(async () => {
    const users = [user('keeper', true), user('other', false), '{ user: operator, password: "of-operator" }'];
    server = await startNatsServer({
      config: `jetstream {}\nno_auth_user: operator\naccounts { A { jetstream: enabled, users: [${users.join(', ')}] } }`,
    });
    raw = await connect({
      servers: server.url,
      user: 'keeper',
      pass: 'of-keeper',
      inboxPrefix: '_INBOX.keeper',
    });
  });
  afterAll(async () => {
    for (const transport of transports) await transport.close();
    await raw.close();
    await server.stop();
  });

  async function open(
    name: string,
    service = 'default',
    inboxPrefix = `_INBOX.${name}`,
  ): Promise<StateStore> {
    const transport = await natsTransport({
      servers: server.url,
      cluster,
      user: name,
      pass: `of-${name}`,
      inboxPrefixes: [inboxPrefix],
    });
    transports.push(transport);
    return await jetstreamStore().open({
      cluster,
      service,
      transport,
      clock: systemClock,
      logger: silentLogger,
    });
  }

  test('appends, loads, lists and erases, from the first use on', async () => {
    const store = await open('keeper');
    for (const keeps of ['all', 'newest'] as const) {
      const place = placeOf('a.b', { keeps });
      const first = await write(store, place, 0, 'one');
      const second = await write(store, place, first, 'two');
      expect(await readTexts(store, place)).toEqual(['one', 'two']);
      expect(await store.list(place, TIMEOUT_MS)).toMatchObject([{ key: 'a.b', revision: second }]);
      await store.erase(place, first, TIMEOUT_MS);
      await store.erase(place, second, TIMEOUT_MS);
      expect(await readTexts(store, place)).toEqual([]);
    }
  });

  test('writes for no other service, and learns why at once', async () => {
    const store = await open('keeper', 'orders');
    expect(await append(store, placeOf('a'), 0, 'x')).toMatchObject({
      kind: 'unknown',
      refusal: { code: 'NO_PERMISSION', message: expect.stringContaining('forbids this user to publish') },
    });
  });

  test.each([
    'STREAM.DELETE.CLSTR_LOG_shop',
    'STREAM.UPDATE.CLSTR_LOG_shop',
    'STREAM.MSG.DELETE.CLSTR_LOG_shop',
    'STREAM.CREATE.OTHER',
    'STREAM.NAMES',
    'CONSUMER.DURABLE.CREATE.CLSTR_LOG_shop.mine',
  ])('may not ask for %s', async (method) => {
    await expect(raw.request(`$JS.API.${method}`, '', { timeout: TIMEOUT_MS })).rejects.toMatchObject({
      code: 'PERMISSIONS_VIOLATION',
    });
  });

  test('gets no answers in the inboxes of others, and learns why at once', async () => {
    await expect(open('keeper', 'default', '_INBOX.other')).rejects.toMatchObject({ code: 'NO_PERMISSION' });
  });

  test('without keepsState opens no store, and says why', async () => {
    await expect(open('other')).rejects.toMatchObject({ code: 'NO_PERMISSION' });
  });
});
