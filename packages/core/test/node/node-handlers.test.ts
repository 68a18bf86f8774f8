import { describe, expect, test } from 'vitest';
import { createNode } from '../../src/node/node.ts';
import type { InboundEntry } from '../../src/wire/transport.ts';
import { NO_SHARD } from '../../src/index.ts';
import type { NodeHandlers, NodeOptions } from '../../src/index.ts';
import { entryOf, recordAnswers } from '../entry.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const nodeHandlers: NodeHandlers = {
  Size: ({ payload }, { nodeId, lease }) => [nodeId, payload, lease ?? null],
};

async function start(options: Partial<NodeOptions> = {}) {
  const transport = new ScriptedTransport();
  const keyed: unknown[] = [];
  const node = createNode({
    id: 'n1',
    transport,
    numShards: 16,
    shards: [1, 3],
    nodeHandlers,
    handler: (request) => keyed.push(request.shard),
    ...options,
  });
  await node.start();
  const direct = transport.served.find(({ address }) => 'nodeId' in address)!.receiver;
  const ofShard = transport.served.find(({ address }) => 'shard' in address)!.receiver;
  const port = recordAnswers();
  const send = (fields: Partial<InboundEntry>, receiver = direct) => {
    receiver.onEntry(
      entryOf({ shard: NO_SHARD, type: 'Size', receivedAtMs: performance.now(), ...fields }),
      port,
    );
    return port.last;
  };
  return { node, keyed, send, ofShard, port };
}

describe('a message to a node', () => {
  test('is run by the handler of its type, and by no handler of keys', async () => {
    const { send, keyed } = await start();
    expect(send({})?.value).toBe('["n1",1,null]');
    expect(keyed).toEqual([]);
  });

  test('runs in the interceptors of the node, which see that it has no shard', async () => {
    const seen: unknown[] = [];
    const interceptors: NodeOptions['interceptors'] = [
      (request, _context, next) => {
        seen.push([request.key, request.shard, request.type]);
        return next({ ...request, payload: 'changed' });
      },
    ];
    const { send } = await start({ interceptors });
    expect(send({})?.value).toBe('["n1","changed",null]');
    expect(seen).toEqual([[undefined, NO_SHARD, 'Size']]);
  });

  test.each([
    ['of another type', { type: 'Other' }, 'UNKNOWN_TYPE'],
    ['of a type that every object has', { type: 'toString' }, 'UNKNOWN_TYPE'],
    ['of a reserved type', { type: 'clstr.x' }, 'UNKNOWN_TYPE'],
    ['with a key', { key: 'k' }, 'INVALID_ENVELOPE'],
  ])('%s is refused before any user code', async (_what, fields, code) => {
    const { send, keyed } = await start();
    expect(send(fields)?.error).toMatchObject({ code, outcome: 'not-executed' });
    expect(keyed).toEqual([]);
  });

  test('is ignored on the subject of a shard', async () => {
    const { send, ofShard, port } = await start();
    send({}, ofShard);
    expect(port.answers).toEqual([]);
  });

  test('is refused by a node that has no such handlers', async () => {
    const { send, keyed } = await start({ nodeHandlers: undefined });
    expect(send({})?.error).toMatchObject({ code: 'UNKNOWN_TYPE', outcome: 'not-executed' });
    expect(keyed).toEqual([]);
  });
});

test.each<[unknown, string]>([
  [5, 'an object of functions, got 5'],
  [[() => 1], 'an object of functions, got an array'],
  [
    { 'clstr.size': () => 1 },
    'types starting with "clstr." are reserved, got "clstr.size"; rename the handler',
  ],
  [{ '': () => 1 }, 'nodeHandlers must have message types as names: the message type must be a non-empty'],
  [{ 'a\nb': () => 1 }, 'got "a\\nb"; rename'],
  [{ ['x'.repeat(300)]: () => 1 }, 'is longer than 255 bytes; rename'],
  [{ Size: 7 }, 'nodeHandlers."Size" must be a function, got 7'],
])('createNode refuses nodeHandlers %o', (given, why) => {
  const options = { transport: new ScriptedTransport(), shards: [1], handler: () => 1, nodeHandlers: given };
  expect(() => createNode(options as never)).toThrow(
    expect.objectContaining({ code: 'INVALID_OPTION', message: expect.stringContaining(why) }),
  );
});
