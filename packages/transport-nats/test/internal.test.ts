/** What sibling packages build on: the connection below a transport, and headers as bytes. */
import { deferred } from '@clstr/testing';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { expect, test } from 'vitest';
import { natsTransport } from '../src/index.ts';
import { headText, natsLinkOf } from '../src/internal.ts';
import type { Msg } from '../src/internal.ts';

test.skipIf(!hasNatsServer())(
  'a transport and its services share one connection, which carries headers',
  async () => {
    await using server = await startNatsServer();
    await using transport = await natsTransport({ servers: server.url, inboxPrefixes: ['in', 'other'] });
    const link = natsLinkOf(transport)!;
    expect(natsLinkOf(transport.service('shop'))).toBe(link);
    expect(link.inboxPrefix).toBe('in');

    const received: Msg[] = [];
    const all = deferred<void>();
    link.connection.subscribe('a', {
      onMessage: (message) => {
        received.push(message);
        if (received.length === 2) all.resolve();
      },
      onEnded: () => undefined,
    });
    const head = 'NATS/1.0\r\nName: value\r\n\r\n';
    link.connection.publishWithHead('a', Uint8Array.of(1, 2), 'in.reply', new TextEncoder().encode(head));
    link.connection.publish('a', Uint8Array.of(3), undefined);
    await all.promise;
    expect(received.map(headText)).toEqual([head, '']);
    const [first] = received;
    expect([first!.headers?.get('Name'), first!.reply, [...first!.data]]).toEqual([
      'value',
      'in.reply',
      [1, 2],
    ]);
  },
);
