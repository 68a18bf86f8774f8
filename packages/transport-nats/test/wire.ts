/** Entries and answers below client and node: what a test sends through a link, or serves with a receiver. */
import type { ClstrError } from '@clstr/core';
import type {
  Address,
  ClientLink,
  EntryReceiver,
  FrameVisitor,
  InboundEntry,
  NodeAddress,
  OutboundEntry,
  ReplyPort,
} from '@clstr/core/wire';
import { createFrameWriter, decodeFrame, payloadBytes, nodeAddress } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';

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
    payload: '"hello"',
    isRaw: false,
    remainingMs: () => 5_000,
    ...fields,
  };
}

export interface Sent {
  readonly attempt: number;
  /** What happened, in order: `sent`, `reply: …`, `error: CODE outcome`. */
  readonly effect: string[];
  /** The first reply or error. */
  readonly answer: Promise<{ error: ClstrError | undefined; from: NodeAddress | undefined }>;
  readonly left: Promise<void>;
}

export function send(
  link: ClientLink,
  fields: Partial<OutboundEntry> = {},
  to: Address = { shard: fields.shard ?? 1 },
): Sent {
  const effect: string[] = [];
  const answer = deferred<{ error: ClstrError | undefined; from: NodeAddress | undefined }>();
  const left = deferred();
  const entry = entryOf(fields);
  link.send(to, entry, {
    onSent() {
      effect.push('sent');
      left.resolve();
    },
    onReply({ error, payload, from }) {
      effect.push(
        error === undefined ? `reply: ${new TextDecoder().decode(payloadBytes(payload))}` : textOf(error),
      );
      answer.resolve({ error, from });
    },
    onError(error) {
      effect.push(textOf(error));
      answer.resolve({ error, from: undefined });
    },
  });
  return { attempt: entry.attempt, effect, answer: answer.promise, left: left.promise };
}

function textOf({ code, outcome }: ClstrError): string {
  return `error: ${code} ${outcome}`;
}

/** The entries as one batch of the native wire. */
export function requestFrame(...entries: Partial<OutboundEntry>[]): Uint8Array {
  const writer = createFrameWriter();
  for (const fields of entries) writer.message(99, entryOf(fields));
  return writer.take();
}

/** What is in a batch, as text: `reply 5 "hello"`, `failure 5 TIMEOUT`, `batch error CODE` … */
export function readFrame(bytes: Uint8Array): string[] {
  const found: string[] = [];
  const text = new TextDecoder();
  const visitor: FrameVisitor = {
    onMessage: ({ attempt, type }) => found.push(`message ${attempt} ${type}`),
    onReply: (attempt, payload, _isRaw, error) =>
      found.push(
        error === undefined
          ? `reply ${attempt} ${text.decode(payloadBytes(payload))}`
          : `failure ${attempt} ${error.code}`,
      ),
    onCancel: (_clientId, attempt) => found.push(`cancel ${attempt}`),
    onBatchError: ({ code }) => found.push(`batch error ${code}`),
    onMalformed: () => found.push('malformed'),
  };
  const result = decodeFrame(bytes, visitor, 0);
  return result === 'decoded' ? found : [result, ...found];
}

export interface Arrival {
  readonly entry: InboundEntry;
  readonly port: ReplyPort;
}

/** Hands each arrival to `onArrival`, the payload copied. */
export function receiver(onArrival: (arrival: Arrival) => void): EntryReceiver & { cancels: number[] } {
  const cancels: number[] = [];
  return {
    cancels,
    onEntry: (entry, port) => {
      onArrival({ entry: { ...entry, payload: new Uint8Array(payloadBytes(entry.payload)) }, port });
    },
    onCancel: (_clientId, attempt) => cancels.push(attempt),
  };
}

export const echo = (): EntryReceiver =>
  receiver(({ entry, port }) => {
    port.reply(entry, entry.payload, entry.isRaw);
  });

export async function microtasks(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
