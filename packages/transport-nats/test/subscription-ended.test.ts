import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasNatsServer, startNatsServer } from '@clstr/testing';
import type { NatsServer } from '@clstr/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport } from '../src/index.ts';
import { SELF, echo } from './wire.ts';

const allowing = (subjects: string): string =>
  `authorization { users: [{ user: u, password: p, permissions: { publish: ">", subscribe: [${subjects}] } }] }`;

describe.skipIf(!hasNatsServer())('a subscription that the server ends', () => {
  let server: NatsServer;
  let transport: NatsTransport;
  let logged: { fields: object; message: string | undefined }[];

  beforeEach(async () => {
    server = await startNatsServer({ config: allowing('">"') });
    logged = [];
    const log = (fields: object, message?: string): void => void logged.push({ fields, message });
    const logger = { debug: log, info: log, warn: log, error: log };
    transport = await natsTransport({ servers: server.url, user: 'u', pass: 'p', logger });
  });
  afterEach(async () => {
    await transport.close();
    await server.stop();
  });

  test('as its permission was taken away says so, and is logged', async () => {
    const denied = await transport.serve({ shard: 1 }, echo(), SELF);
    writeFileSync(join(server.folder, 'server.conf'), allowing('"clstr.shard.2", "_INBOX.>"'));
    process.kill(server.pid!, 'SIGHUP');
    expect(await denied.ended).toMatchObject({
      code: 'NO_PERMISSION',
      message: expect.stringContaining('clstr.shard.1') as string,
    });
    expect(logged).toContainEqual({
      fields: { err: expect.objectContaining({ code: 'NO_PERMISSION' }) as unknown },
      message: 'the NATS server ended the subscription to clstr.shard.1',
    });
    await denied.close();
  });
});
