import { fakeClock } from '@clstr/testing';
import { expect, test } from 'vitest';
import { nodeAddress } from '../../src/wire/address.ts';
import { createAnnouncer } from '../../src/node/announcer.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

const ANNOUNCE_MS = 50;
const SELF = nodeAddress('n', 'i')!;

function start() {
  const transport = new ScriptedTransport();
  const clock = fakeClock();
  return { transport, clock, announcer: createAnnouncer(transport, clock) };
}

test('300 shards are announced in one message, 50 ms after the first', async () => {
  const { transport, clock, announcer } = start();
  for (let shard = 0; shard < 300; shard++) announcer.announceSoon(SELF);
  await clock.advance(ANNOUNCE_MS - 1);
  expect(transport.announced).toEqual([]);
  await clock.advance(1_000);
  expect(transport.announced).toEqual([SELF]);
});

test('shards that come later are announced again, by the run that took them', async () => {
  const { transport, clock, announcer } = start();
  announcer.announceSoon(SELF);
  await clock.advance(ANNOUNCE_MS);
  announcer.announceSoon(SELF);
  announcer.announceSoon({ ...SELF, inc: 'j' });
  await clock.advance(ANNOUNCE_MS);
  expect(transport.announced).toEqual([SELF, { nodeId: 'n', inc: 'j' }]);
});

test('a node that closes announces nothing', async () => {
  const { transport, clock, announcer } = start();
  announcer.announceSoon(SELF);
  announcer.close();
  announcer.announceSoon(SELF);
  await clock.advance(1_000);
  expect([transport.announced, clock.timerCount]).toEqual([[], 0]);
});
