import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport } from '../src/index.ts';
import { SELF, echo } from './wire.ts';

const allowing = (subjects: string): string =>
  `authorization { users: [{ user: u, password: p, permissions: { publish: ">", subscribe: [${subjects}] } }] }`;

interface Line {
  readonly fields: object;
  readonly message: string | undefined;
}

describe.skipIf(!hasNatsServer())('a subscription that the server ends', () => {
  let server: NatsServer;
  let transport: NatsTransport;
  let logged: Line[];
  let onLog: (line: Line) => void;

  beforeEach(async () => {
    server = await startNatsServer({ config: allowing('">"') });
    logged = [];
    onLog = () => undefined;
    const log = (fields: object, message?: string): void => {
      logged.push({ fields, message });
      onLog({ fields, message });
    };
    const logger = { debug: log, info: log, warn: log, error: log };
    transport = await natsTransport({ servers: server.url, user: 'u', pass: 'p', logger });
  });
  afterEach(async () => {
    await transport.close();
    await server.stop();
  });

  const reload = (subjects: string): void => {
    writeFileSync(join(server.folder, 'server.conf'), allowing(subjects));
    process.kill(server.pid!, 'SIGHUP');
  };

  test('because its permission was revoked reports it, and is logged', async () => {
    const denied = await transport.serve({ shard: 1 }, echo(), SELF);
    reload('"clstr.shard.2", "_INBOX.>"');
    expect(await denied.ended).toMatchObject({
      code: 'NO_PERMISSION',
      message: expect.stringContaining('clstr.shard.1') as string,
    });
    expect(logged).toContainEqual({
      fields: {
        event: 'node.subscription_ended',
        err: expect.objectContaining({ code: 'NO_PERMISSION' }) as unknown,
      },
      message: 'the NATS server ended the subscription to clstr.shard.1',
    });
    await denied.close();
  });

  test('and that carried replies is made again with the next connection', async () => {
    const client = createClient({ transport, numShards: 2 });
    await transport.serve({ shard: 1 }, echo(), SELF);
    await client.requestShard(1, 'Get');
    const lines = logged.length;
    reload('"clstr.>"');
    const denied = deferred();
    onLog = ({ message }) => {
      if (message === 'the NATS server denies this client its replies') denied.resolve();
    };
    logged.slice(lines).forEach((line) => onLog(line));
    await denied.promise;
    await expect(client.requestShard(1, 'Get')).rejects.toMatchObject({ code: 'NO_PERMISSION' });
    writeFileSync(join(server.folder, 'server.conf'), allowing('">"'));
    const back = deferred();
    transport.onConnection(({ state }) => {
      if (state === 'connected') back.resolve();
    });
    await server.restart();
    await back.promise;
    await client.requestShard(1, 'Get');
    await client.close();
  });
});
