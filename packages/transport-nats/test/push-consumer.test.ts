import type { ClstrError } from '@clstr/core';
import type { StoreEntry } from '@clstr/core/store';
import { fakeClock } from '@clstr/testing';
import type { Msg } from 'nats';
import { headers } from 'nats';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Bucket } from '../src/bucket.ts';
import { Bucket as RealBucket } from '../src/bucket.ts';
import type { ControlConnection } from '../src/control-connection.ts';
import { PushConsumer } from '../src/push-consumer.ts';

let clock: ReturnType<typeof fakeClock>;
let deliver: (message: Msg) => void;
let refuse: (error: ClstrError) => void;
let told: string[];
let forgotten: string[];
let heard: (StoreEntry | ClstrError)[];
let consumer: PushConsumer;
let created: string | undefined;
let onConnection: () => void;

const bytes = new TextEncoder().encode('x');

beforeEach(async () => {
  clock = fakeClock();
  [told, forgotten, heard, created] = [[], [], [], 'c1'];
  await start();
});

async function start(): Promise<void> {
  const control = {
    isConnected: true,
    subscribe(_subject: string, onMessage: typeof deliver, onError: typeof refuse) {
      [deliver, refuse] = [onMessage, onError];
      return { unsubscribe() {} };
    },
    onConnection(listener: () => void) {
      onConnection = listener;
      return () => {};
    },
    tell: (subject: string) => told.push(subject),
  } as unknown as ControlConnection;
  const real = new RealBucket(control, 'b', clock);
  const bucket = {
    subjectOf: (key: string) => real.subjectOf(key),
    entryOfMessage: (message: Msg, revision: number) => real.entryOfMessage(message, revision),
    isFlowControl: (subject: string) => real.isFlowControl(subject),
    consume: async () => created,
    forget: (name: string) => forgotten.push(name),
  } as unknown as Bucket;
  const options = { control, bucket, inboxPrefix: '_INBOX', clock, timeoutMs: 100, idleHeartbeatMs: 100 };
  consumer = new PushConsumer(options, 'h.*', {
    onEntry: (entry) => heard.push(entry),
    onEnd: (error) => heard.push(error),
  });
  await clock.advance(0);
}

function entry(consumerSequence: number, reply?: string): Msg {
  const place = reply ?? `$JS.ACK.KV_b.c1.1.${40 + consumerSequence}.${consumerSequence}.123.7`;
  return { subject: '$KV.b.h.a', data: bytes, reply: place } as Msg;
}

function control(fields: Record<string, string>, reply = '', code = 100): Msg {
  const head = headers(code, 'Status');
  for (const [name, value] of Object.entries(fields)) head.set(name, value);
  return { subject: 'inbox', data: new Uint8Array(0), headers: head, reply } as Msg;
}

const codes = () => heard.map((item) => ('code' in item ? item.code : item.revision));

test('reports entries with their place in the stream, whatever the form of the reply subject', () => {
  deliver(entry(1));
  deliver(entry(2, '$JS.ACK.hub.acchash.KV_b.c1.1.50.2.123.7.token'));
  expect(heard).toEqual([
    { key: 'h.a', revision: 41, value: 'x' },
    { key: 'h.a', revision: 50, value: 'x' },
  ]);
});

test('skips messages that are not entries of the bucket', () => {
  deliver({ ...entry(1), subject: 'elsewhere' });
  deliver(entry(2));
  expect(codes()).toEqual([42]);
});

test.each([
  ['an entry is missing', () => entry(2)],
  ['an entry comes twice', () => entry(0)],
  ['a message names no place', () => entry(1, 'somewhere')],
  ['a message names a revision that is none', () => entry(1, '$JS.ACK.KV_b.c1.1.x.1.123.7')],
  ['a heartbeat is ahead', () => control({ 'Nats-Last-Consumer': '1' })],
  ['the server ends it', () => control({}, '', 409)],
])('ends when %s, once, and reports nothing more', (_what, message) => {
  deliver(message());
  deliver(entry(1));
  expect(codes()).toEqual(['CONNECTION_LOST']);
  expect(forgotten).toEqual(['c1']);
});

test('answers flow control, and nothing else that a message asks for', () => {
  deliver(control({}, '$JS.FC.KV_b.c1.x'));
  deliver(control({ 'Nats-Last-Consumer': '0', 'Nats-Consumer-Stalled': '$JS.FC.KV_b.c1.y' }));
  deliver(control({}, '$JS.API.STREAM.PURGE.KV_b'));
  deliver(control({}, '$JS.FC.ORDERS.c1.x'));
  expect(told).toEqual(['$JS.FC.KV_b.c1.x', '$JS.FC.KV_b.c1.y']);
  expect(heard).toEqual([]);
});

test('ends when the server has been silent for three heartbeats', async () => {
  await clock.advance(250);
  deliver(control({ 'Nats-Last-Consumer': '0' }));
  await clock.advance(299);
  expect(heard).toEqual([]);
  await clock.advance(1);
  expect(codes()).toEqual(['TIMEOUT']);
});

describe('it ends', () => {
  test('when the connection does', () => {
    onConnection();
    expect(codes()).toEqual(['CONNECTION_LOST']);
  });

  test('when the server forbids its inbox', () => {
    refuse(Object.assign(new Error('no'), { code: 'NO_PERMISSION' }) as ClstrError);
    expect(codes()).toEqual(['NO_PERMISSION']);
  });

  test('as NO_SUBSCRIBER when there is no bucket', async () => {
    heard = [];
    created = undefined;
    await start();
    expect(codes()).toEqual(['NO_SUBSCRIBER']);
  });
});

test('reports nothing once it is closed, and leaves no timer', () => {
  consumer.close();
  consumer.close();
  deliver(entry(1));
  onConnection();
  expect([heard, forgotten, clock.timerCount]).toEqual([[], ['c1'], 0]);
});
