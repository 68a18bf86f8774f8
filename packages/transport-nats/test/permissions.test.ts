import { describe, expect, test } from 'vitest';
import type { NatsPermissionsOptions } from '../src/index.ts';
import { natsPermissions } from '../src/index.ts';

const inboxPrefix = '_INBOX.me';

describe('natsPermissions', () => {
  test('of a client has nothing of JetStream, and no inbox but its own', () => {
    expect(natsPermissions({ role: 'client', inboxPrefix })).toEqual({
      publish: ['clstr.shard.*', 'clstr.node.*.*', 'clstr.topology'],
      subscribe: ['clstr.topology.changes', '_INBOX.me.>'],
    });
  });

  test('of a node has its subjects, inboxes to answer, and the keys of its bucket', () => {
    const names = { subjectPrefix: 'shop.eu', cluster: 'shop', inboxPrefixes: ['_INBOX', 'in'] };
    expect(natsPermissions({ role: 'node', inboxPrefix: 'in.nodes', ...names })).toEqual({
      publish: [
        'shop.eu.shard.*',
        'shop.eu.node.*.*',
        'shop.eu.topology.changes',
        '_INBOX.>',
        'in.>',
        '$KV.shop.cfg',
        '$KV.shop.h.*',
        '$KV.shop.m.*',
        '$KV.shop.s.*',
        '$JS.API.STREAM.INFO.KV_shop',
        '$JS.API.STREAM.MSG.GET.KV_shop',
        '$JS.API.CONSUMER.CREATE.KV_shop',
        '$JS.API.CONSUMER.DELETE.KV_shop.*',
        '$JS.FC.KV_shop.>',
      ],
      subscribe: ['shop.eu.shard.*', 'shop.eu.node.*.*', 'shop.eu.topology nodes', 'in.nodes.>'],
    });
  });

  test('of a node may make the bucket only when it is told so', () => {
    const publish = (mayCreateBucket: boolean): readonly string[] =>
      natsPermissions({ role: 'node', inboxPrefix, mayCreateBucket }).publish;
    const create = '$JS.API.STREAM.CREATE.KV_clstr';
    expect(publish(false)).not.toContain(create);
    expect(publish(true).filter((subject) => !publish(false).includes(subject))).toEqual([create]);
  });

  test('of a node that keeps state has the records of its service, and both streams', () => {
    const publish = (options: Partial<NatsPermissionsOptions>): readonly string[] =>
      natsPermissions({ role: 'node', inboxPrefix, cluster: 'shop', ...options }).publish;
    const added = publish({ keepsState: true }).filter((subject) => !publish({}).includes(subject));
    expect(added).toEqual(
      ['STATE', 'LOG'].flatMap((kind) => [
        `shop.${kind.toLowerCase()}.default.>`,
        ...['STREAM.CREATE', 'STREAM.PURGE', 'STREAM.INFO', 'STREAM.MSG.GET', 'CONSUMER.CREATE'].map(
          (method) => `$JS.API.${method}.CLSTR_${kind}_shop`,
        ),
        `$JS.API.CONSUMER.DELETE.CLSTR_${kind}_shop.*`,
        `$JS.FC.CLSTR_${kind}_shop.>`,
      ]),
    );
    expect(publish({ keepsState: true, service: 'orders' })).toContain('shop.log.orders.>');
  });

  test('of an app are those of a client and of a node', () => {
    const of = (role: 'client' | 'node' | 'app') => natsPermissions({ role, inboxPrefix });
    expect(of('app')).toEqual({
      publish: [...new Set([...of('client').publish, ...of('node').publish])],
      subscribe: ['clstr.topology.changes', ...of('node').subscribe],
    });
  });

  test('of a provisioner has nothing of shards and nodes', () => {
    const { publish, subscribe } = natsPermissions({ role: 'provisioner', inboxPrefix });
    expect(subscribe).toEqual(['_INBOX.me.>']);
    expect(publish.filter((subject) => !/^\$(KV\.clstr\.|JS\.(API|FC)\..*KV_clstr)/.test(subject))).toEqual(
      [],
    );
    expect(publish).toContain('$JS.API.STREAM.UPDATE.KV_clstr');
  });

  test.each([
    [{ role: 'admin', inboxPrefix }, /role must be 'client', 'node', 'app' or 'provisioner', got "admin"$/],
    [{ role: 'node' }, /inboxPrefix must be a NATS subject without wildcards, got undefined$/],
    [{ role: 'node', inboxPrefix: '_INBOX.*' }, /inboxPrefix must be a NATS subject without wildcards/],
    [
      { role: 'node', inboxPrefix: 'in' },
      /inboxPrefix must be below one of inboxPrefixes \(_INBOX\), got "in"$/,
    ],
    [{ role: 'node', inboxPrefix: '_INBOXES.a' }, /below one of/],
    [{ role: 'node', inboxPrefix, inboxPrefixes: [] }, /inboxPrefixes must be a list/],
    [{ role: 'node', inboxPrefix, inboxPrefixes: ['>'] }, /inboxPrefixes must be a NATS subject/],
    [{ role: 'node', inboxPrefix, subjectPrefix: '' }, /subjectPrefix must be/],
    [{ role: 'node', inboxPrefix, cluster: 'a.b' }, /cluster must be/],
    [{ role: 'node', inboxPrefix, mayCreateBucket: 1 }, /mayCreateBucket must be true or false, got 1$/],
    [{ role: 'node', inboxPrefix, prefix: 'x' }, /unknown option "prefix"/],
  ])('refuses %o', (options, message) => {
    expect(() => natsPermissions(options as unknown as NatsPermissionsOptions)).toThrow(message);
  });
});
