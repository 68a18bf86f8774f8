/** Bugs of clients that follow shards from node to node, each under what went wrong. */
import { expect, test } from 'vitest';
import { createClient } from '../src/client/client.ts';
import { nodeAddress } from '../src/wire/address.ts';
import { isNodeAddress, isTopologyAddress } from '../src/wire/transport.ts';
import { ManualClock } from './manual-clock.ts';
import { ScriptedTransport } from './scripted-transport.ts';

const OLD = nodeAddress('old', 'inc-1')!;
const NEW = nodeAddress('new', 'inc-2')!;
const TIMEOUT_MS = 1_000;

function startClient() {
  const clock = new ManualClock();
  const transport = new ScriptedTransport();
  const client = createClient({ transport, numShards: 1, routing: 'topology', clock, timeoutMs: TIMEOUT_MS });
  const call = (): Promise<unknown> => client.requestKey('k', 'Echo');
  const questions = () => transport.sent.filter(({ to }) => isTopologyAddress(to));
  return { clock, transport, client, call, questions };
}

function topology(epoch: number, { nodeId, inc }: typeof OLD): object {
  return { clusterId: 'c', owners: [[0, epoch, nodeId, inc]] };
}

test('an owner behind a black hole was asked for ever although another had taken over', async () => {
  const { clock, transport, client, call, questions } = startClient();
  const first = call();
  transport.last.reply('here', OLD);
  await first;
  questions().at(-1)?.reply(topology(1, OLD));
  clock.advance(100);
  const asked = questions().length;

  const silent = call();
  expect(transport.last.to).toMatchObject(OLD);
  transport.last.leave();
  clock.advance(TIMEOUT_MS);
  await expect(silent).rejects.toMatchObject({ code: 'TIMEOUT', outcome: 'unknown' });
  expect(questions().length).toBe(asked + 1);
  questions().at(-1)!.reply(topology(2, NEW));

  const next = call();
  expect(isNodeAddress(transport.last.to) && transport.last.to).toMatchObject(NEW);
  transport.last.reply('there', NEW);
  expect(await next).toBe('there');
  await client.close();
});

test('a question for the owners that went to a silent node was not sent to another', async () => {
  const { clock, transport, client, call, questions } = startClient();
  const silent = call();
  transport.last.leave();
  clock.advance(TIMEOUT_MS);
  await expect(silent).rejects.toMatchObject({ code: 'TIMEOUT' });
  const asked = questions().length;
  questions().at(-1)!.leave();
  clock.advance(560);
  expect(questions().length).toBe(asked + 1);
  questions().at(-1)!.reply(topology(2, NEW));
  clock.advance(600);
  expect(questions().length).toBe(asked + 1);
  await client.close();
});
