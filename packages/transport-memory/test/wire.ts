/** Both ends of a bus below client and node: entries with sinks that keep their effect, and a receiver that keeps all. */
import type { ClstrError } from '@clstr/core';
import type {
  ClientLink,
  EntryReceiver,
  InboundEntry,
  InboundReply,
  NodeAddress,
  OutboundEntry,
  ReplyPort,
} from '@clstr/core/wire';
import { payloadBytes, nodeAddress } from '@clstr/core/wire';

export const SELF: NodeAddress = nodeAddress('n1', 'a')!;

let attempts = 0;

export function entryOf(fields: Partial<OutboundEntry> = {}): OutboundEntry {
  return {
    isNotify: false,
    attempt: ++attempts,
    shard: 1,
    type: 'Get',
    key: undefined,
    headers: undefined,
    payload: 'hello',
    isRaw: false,
    remainingMs: () => 5_000,
    ...fields,
  };
}

/** What happened to an entry, in order: `sent`, `reply: …`, `error: CODE outcome`. */
export type Effect = string[];

export function send(
  link: ClientLink,
  fields: Partial<OutboundEntry> = {},
  to: object = { shard: 1 },
): Effect {
  const effect: Effect = [];
  link.send(to as { shard: number }, entryOf(fields), {
    onSent: () => effect.push('sent'),
    onReply: ({ error, payload }: InboundReply) =>
      effect.push(
        error === undefined ? `reply: ${new TextDecoder().decode(payloadBytes(payload))}` : describe(error),
      ),
    onError: (error) => effect.push(describe(error)),
  });
  return effect;
}

function describe({ code, outcome }: ClstrError): string {
  return `error: ${code} ${outcome}`;
}

export interface Arrival {
  readonly type: string;
  readonly payload: string;
  readonly entry: InboundEntry;
  readonly port: ReplyPort;
}

export interface RecordingReceiver extends EntryReceiver {
  readonly arrivals: Arrival[];
  readonly cancels: [clientId: number, attempt: number][];
}

/** Answers each entry with what `answer` makes of it; undefined stays open. */
export function receiver(answer: (arrival: Arrival) => string | ClstrError | undefined): RecordingReceiver {
  const arrivals: Arrival[] = [];
  const cancels: [number, number][] = [];
  return {
    arrivals,
    cancels,
    onEntry(entry, port) {
      const payload = new TextDecoder().decode(payloadBytes(entry.payload));
      const arrival = { type: entry.type, payload, entry: { ...entry }, port };
      arrivals.push(arrival);
      const value = answer(arrival);
      if (typeof value === 'string') port.reply(entry, value, false);
      else if (value !== undefined) port.fail(entry, value);
    },
    onCancel: (clientId, attempt) => {
      cancels.push([clientId, attempt]);
    },
  };
}

/** Lets the bus do all its work: microtasks, and a macrotask after many of them. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
