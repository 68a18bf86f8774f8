import { describe, expect, test } from 'vitest';
import { fromApiError, fromConnectError, fromNatsError, withoutCredentials } from '../src/nats-errors.ts';

function natsError(code: string, message: string, chainedError?: unknown): Error {
  return Object.assign(new Error(message), { code, chainedError });
}

describe('an error of the NATS client', () => {
  test.each([
    ['AUTHORIZATION_VIOLATION', 'AUTH_FAILED', 'not-executed'],
    ['AUTHENTICATION_EXPIRED', 'AUTH_FAILED', 'not-executed'],
    ['BAD_CREDS', 'AUTH_FAILED', 'not-executed'],
    ['PERMISSIONS_VIOLATION', 'NO_PERMISSION', 'not-executed'],
    ['CONNECTION_CLOSED', 'TRANSPORT_CLOSED', 'not-executed'],
    ['CONNECTION_DRAINING', 'TRANSPORT_CLOSED', 'not-executed'],
    ['DISCONNECT', 'CONNECTION_LOST', 'unknown'],
    ['503', 'NO_SUBSCRIBER', 'not-executed'],
    ['MAX_PAYLOAD_EXCEEDED', 'PAYLOAD_TOO_LARGE', 'not-executed'],
    ['SOMETHING_NEW', 'INTERNAL', 'unknown'],
  ])('with the code %s becomes %s, %s', (natsCode, code, outcome) => {
    const cause = natsError(natsCode, 'why');
    expect(fromNatsError(cause, 'publish to x')).toMatchObject({
      code,
      outcome,
      cause,
      message: 'cannot publish to x: why',
    });
  });

  test('has the outcome that the caller knows', () => {
    expect(fromNatsError(natsError('DISCONNECT', 'why'), 'publish', 'not-executed')).toMatchObject({
      code: 'CONNECTION_LOST',
      outcome: 'not-executed',
    });
  });

  test('without a message says its code, and what it was caused by', () => {
    const inner = new Error('socket hung up');
    expect(fromNatsError(natsError('DISCONNECT', '', inner), 'publish').message).toBe(
      'cannot publish: DISCONNECT (socket hung up)',
    );
  });

  test('need not be an Error', () => {
    expect(fromNatsError('odd', 'publish')).toMatchObject({
      code: 'INTERNAL',
      message: 'cannot publish: odd',
    });
    expect(fromNatsError(new Error('plain'), 'publish')).toMatchObject({ code: 'INTERNAL' });
  });
});

describe('a failure to connect', () => {
  test('is AUTH_FAILED or CONNECT_FAILED, and names the servers without their passwords', () => {
    const servers = ['nats://bob:s3cret@a:1', 'token@b:2', 'c:3'];
    const refused = fromConnectError(natsError('AUTHORIZATION_VIOLATION', 'no'), servers);
    expect(refused).toMatchObject({
      code: 'AUTH_FAILED',
      message: 'nats://a:1, b:2, c:3 refused the credentials: no',
    });
    expect(fromConnectError(natsError('CONNECTION_REFUSED', 'down'), servers)).toMatchObject({
      code: 'CONNECT_FAILED',
      message: 'cannot connect to nats://a:1, b:2, c:3: down',
    });
  });
});

test.each([
  ['nats://user:secret@host:4222', 'nats://host:4222'],
  ['tls://a:p@ss@host', 'tls://host'],
  ['user:secret@host', 'host'],
  ['host:4222', 'host:4222'],
])('%s is shown as %s', (server, shown) => {
  expect(withoutCredentials(server)).toBe(shown);
});

test.each([
  [10_039, 'JetStream not enabled for account', 'CONNECT_FAILED', ''],
  [10_076, 'JetStream not enabled', 'CONNECT_FAILED', ''],
  [10_052, 'stream name is required', 'STORE_REFUSED', ''],
  [10_052, undefined, 'STORE_REFUSED', ''],
  [
    10_002,
    'limits exceeded',
    'STORE_REFUSED',
    ' (free storage, or raise max_file or max_mem of the account)',
  ],
  [10_026, 'limit', 'STORE_REFUSED', ' (raise max_consumers of the account: a node needs up to six)'],
  [10_008, 'JetStream system temporarily unavailable', 'CONNECTION_LOST', ''],
])('JetStream’s refusal %i, %s, becomes %s', (err_code, description, code, hint) => {
  const refusal = { code: 503, err_code, ...(description === undefined ? {} : { description }) };
  expect(fromApiError(refusal, 'STREAM.CREATE.KV_c')).toMatchObject({
    code,
    details: { code: 503, errCode: err_code },
    message: `JetStream refuses STREAM.CREATE.KV_c: ${description ?? ''}${hint}`,
  });
});
