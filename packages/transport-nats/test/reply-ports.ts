/** The ways back from a node, as its receiver gets them, on a connection whose life a test decides. */
import type { ReplyPort } from '@clstr/core/wire';
import type { FakeClock } from '@clstr/testing';
import { fakeClock } from '@clstr/testing';
import type { Msg } from 'nats';
import { natsTransport } from '../src/index.ts';
import type { NatsTransport, NatsTransportOptions } from '../src/index.ts';
import { scriptedConnection } from './scripted-connection.ts';
import type { ScriptedConnection } from './scripted-connection.ts';
import { SELF, receiver, requestFrame } from './wire.ts';

export interface ReplyPorts {
  readonly clock: FakeClock;
  readonly scripted: ScriptedConnection;
  readonly transport: NatsTransport;
  readonly stats: NatsTransport['stats'];
  /** What the receiver gets for a message with this reply subject. */
  routeTo(reply: string): ReplyPort;
  /** The same for an envelope of the JSON wire. */
  jsonTo(reply: string): ReplyPort;
}

const FRAME = requestFrame({});
const ENVELOPE = new TextEncoder().encode(JSON.stringify({ shard: 1, type: 'Get', data: null }));

export async function replyPorts(options: NatsTransportOptions = {}): Promise<ReplyPorts> {
  const clock = fakeClock();
  const scripted = scriptedConnection();
  const transport = await natsTransport({ connection: scripted.nats, clock, ...options });
  let last: ReplyPort | undefined;
  const node = receiver(({ port }) => (last = port));
  await transport.serve({ shard: 1 }, node, SELF);
  const deliver = scripted.subscriptions.get('clstr.shard.1')!;
  const portFor = (data: Uint8Array, reply: string): ReplyPort => {
    deliver(null, { data, reply, subject: 'clstr.shard.1' } as Msg);
    return last!;
  };
  return {
    clock,
    scripted,
    transport,
    stats: transport.stats,
    routeTo: (reply) => portFor(FRAME, reply),
    jsonTo: (reply) => portFor(ENVELOPE, reply),
  };
}
