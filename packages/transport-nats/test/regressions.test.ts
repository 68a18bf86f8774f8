/** Bugs of the NATS transport that were fixed, each under what went wrong; those that need a server are elsewhere. */
import { describe, expect, test } from 'vitest';
import type { NatsTransportOptions } from '../src/index.ts';
import { natsTransport } from '../src/index.ts';
import { parseReply } from '../src/json-envelope.ts';

/** Where nobody listens: an option that passes its check fails here in another way. */
const NOWHERE = '127.0.0.1:1';

describe('an option that was not checked', () => {
  test.each([
    ...[0, 5, null, {}, true, 'x', [5]].map((value) => ['authenticator', value] as const),
    ...[Symbol('seed'), 5, null, {}].map((value) => ['nkeySeed', value] as const),
    ...[5, null, {}, ['x']].map((value) => ['credentials', value] as const),
    ...['x', 5, true, null].map((value) => ['tls', value] as const),
    ...[{}, 5, 'x', { monoMs() {} }].map((value) => ['clock', value] as const),
    ...[{}, 5, 'x', { error() {} }].map((value) => ['logger', value] as const),
  ])('broke later, or was ignored: %s %o', async (name, value) => {
    const options = { servers: NOWHERE, [name]: value } as NatsTransportOptions;
    await expect(natsTransport(options)).rejects.toMatchObject({
      name: 'ClstrError',
      code: 'INVALID_OPTION',
      message: expect.stringMatching(`^natsTransport: ${name} must be `),
    });
  });

  test.each(['connection', 'inboxPrefixes'])('showed a secret given by mistake: %s', async (name) => {
    const options = { [name]: 'nats://u:secret@h' } as NatsTransportOptions;
    const error: unknown = await natsTransport(options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'INVALID_OPTION', message: expect.stringContaining(name) });
    const { message, stack, cause, details } = error as { [field: string]: unknown };
    expect(JSON.stringify({ message, stack, cause, details })).not.toContain('secret');
  });
});

test.each(['{"toString":null,"valueOf":null}', '{"toString":1}', '[[{"toString":1}]]', 'null'])(
  'a reply with the error code %s was a TypeError',
  (code) => {
    const text = `{"err":"x","error":{"code":${code},"message":"hostile"}}`;
    const { error } = parseReply(new TextEncoder().encode(text));
    expect(error).toMatchObject({ name: 'ClstrError', code: 'INTERNAL', message: 'hostile' });
  },
);
