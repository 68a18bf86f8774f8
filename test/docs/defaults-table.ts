/** Renders docs/reference/defaults.md: values from the packages, words from here. */
import { defaults as actors } from '@clstr/actors';
import { defaults as appDefaults } from '@clstr/app';
import { defaults as core } from '@clstr/core';
import { envelopeLimits } from '@clstr/core/wire';
import { createMemoryBus } from '@clstr/transport-memory';
import { defaults as nats } from '@clstr/transport-nats';
import { table } from './table.ts';

/** Where a default is set, and what it is. A default without words here does not compile. */
type Words<T> = Readonly<Record<keyof T, readonly [where: string, meaning: string]>>;

const CORE: Words<typeof core> = {
  numShards: [
    '`createClient`, `createNode`: `numShards`',
    'Shards of the cluster. The same at every client and node; it can never change.',
  ],
  seed: [
    '`createClient`, `createNode`: `seed`',
    'Mixed into every hash. The same at every client and node; it can never change.',
  ],
  requestTimeoutMs: [
    '`createClient`: `timeoutMs`; each call: `timeoutMs`',
    'Time until a call fails, in milliseconds.',
  ],
  handlerTimeoutMs: ['`createNode`: `handlerTimeoutMs`', 'Longest time a handler may run, in milliseconds.'],
  maxInFlight: [
    '`createNode`: `maxInFlight`',
    'Messages a node has accepted and not yet answered; more are `OVERLOADED`.',
  ],
  maxInFlightBytes: [
    '`createNode`: `maxInFlightBytes`',
    'Payloads, keys and headers of those messages together; more is `OVERLOADED`.',
  ],
  drainGraceMs: ['`node.drain`: `graceMs`', 'How long running handlers may still take, in milliseconds.'],
  maxKeyBytes: [
    '`createClient`, `createNode`: `maxKeyBytes`',
    'Longest routing key, in bytes of UTF-8; up to 65,535.',
  ],
  maxPending: [
    '`createClient`: `maxPending`',
    'Calls of one client that have not ended; more are `OVERLOADED`.',
  ],
  routing: [
    '`createClient`: `routing`',
    'Whether calls follow shards that move: the client asks the nodes whether their cluster lives.',
  ],
};

const ACTORS: Words<typeof actors> = {
  cacheSize: [
    '`actorHandler`, `createApp`, `keyHandler`, `scopedHandler`: `cacheSize`',
    'Actors kept per type, or handlers kept, those in use included; a new one while all are in use is `OVERLOADED`.',
  ],
  closeGraceMs: [
    '`keyHandler`, `scopedHandler`: `closeGraceMs`',
    'How long `close` waits for handlers in use and for their `dispose`, in milliseconds.',
  ],
  idleMs: [
    '`implement`: `idleMs`',
    'Time without a message after which an actor passivates, in milliseconds; at most a quarter later.',
  ],
  mailbox: ['`implement`: `mailbox`', 'Messages that may wait for one key; more are `OVERLOADED`.'],
  timers: ['', 'Timers that one actor may have.'],
  onError: ['`implement`: `onError`', 'What happens to the state after a handler failed.'],
  passivateMs: ['', 'Longest time `passivate` and `discard` may take, in milliseconds.'],
  firstBackoffMs: ['', 'First pause before `setup` or `passivate` is tried again, in milliseconds.'],
  maxBackoffMs: ['', 'Longest such pause, in milliseconds.'],
};

const app = { ...appDefaults, signals: appDefaults.signals.join(', ') };
const APP: Words<typeof app> = {
  signals: ['`createApp`: `signals`', 'Signals on which the app drains.'],
  drainMs: [
    '`createApp`: `drainMs`',
    'How long running handlers may still take when it does, in milliseconds.',
  ],
};

const NATS: Words<typeof nats> = {
  servers: ['`servers`', 'Where to connect.'],
  cluster: [
    '`cluster`',
    'Name of the cluster, its bucket, and the first part of all subjects unless `subjectPrefix` is set. ' +
      'The same at every client and node.',
  ],
  inboxPrefix: [
    '`inboxPrefixes`, a list of this one',
    'Where replies may go. Inboxes of this process start with the first.',
  ],
  wire: ['`wire`', 'What clients of this transport speak; nodes understand both.'],
  connectTimeoutMs: ['`connectTimeoutMs`', 'Longest time one attempt to connect may take, in milliseconds.'],
  reconnectWaitMs: [
    '`reconnectWaitMs`',
    'First pause between attempts to reconnect, in milliseconds; it grows to four times as long.',
  ],
  pingIntervalMs: [
    '`pingIntervalMs`',
    'How often the server is asked whether it is there, in milliseconds; a silent one is left within twice this time.',
  ],
  maxWaiting: [
    '`maxWaiting`',
    'Messages that may wait for the connection to come back; more are `OVERLOADED`.',
  ],
  maxWaitingBytes: ['`maxWaitingBytes`', 'Payloads of those messages together, in bytes.'],
};

const bus = { maxPayload: createMemoryBus().maxPayload };
const BUS: Words<typeof bus> = {
  maxPayload: ['`createMemoryBus`: `maxPayload`', 'Largest message, in bytes of its frame.'],
};

const LIMITS: Words<typeof envelopeLimits> = {
  maxTypeBytes: ['', 'Longest message type, in bytes of UTF-8.'],
  maxKeyBytes: ['', 'Longest routing key that the wire carries, in bytes of UTF-8.'],
  maxHeaders: ['', 'Most headers of one message.'],
  maxHeaderBytes: ['', 'Names and values of all headers together, in bytes of UTF-8.'],
};

/** The whole document, formatted as the formatter wants it. */
export function renderDefaults(): string {
  const sections = [
    '# Defaults',
    'Made from the `defaults` objects of the packages by `test/docs/defaults-table.ts`, which a test holds equal to\nthis file: change the source, then run `UPDATE_DOCS=1 npx vitest run test/docs.test.ts`.',
    '## `@clstr/core`',
    optionTable(core, CORE),
    '## `@clstr/transport-nats`: `natsTransport`',
    optionTable(nats, NATS),
    '## `@clstr/transport-memory`',
    optionTable(bus, BUS),
    '## `@clstr/actors`',
    optionTable(actors, ACTORS),
    '## `@clstr/app`',
    optionTable(app, APP),
    '## Limits that no option changes',
    'Of every message, on every transport; `envelopeLimits` of `@clstr/core`.',
    table([
      ['limit', 'value', 'meaning'],
      ...entries(LIMITS).map(([name, [, meaning]]) => [
        `\`${name}\``,
        valueText(envelopeLimits[name]),
        meaning,
      ]),
    ]),
  ];
  return `${sections.join('\n\n')}\n`;
}

function optionTable<T extends Readonly<Record<string, string | number>>>(
  values: T,
  words: Words<T>,
): string {
  return table([
    ['default', 'value', 'set by', 'meaning'],
    ...entries(words).map(([name, [where, meaning]]) => [
      `\`${name}\``,
      valueText(values[name]!),
      where,
      meaning,
    ]),
  ]);
}

function entries<T>(words: Words<T>): [keyof T & string, readonly [string, string]][] {
  return Object.entries(words) as [keyof T & string, readonly [string, string]][];
}

function valueText(value: string | number): string {
  if (typeof value === 'string') return value === '' ? 'the empty string' : `\`${value}\``;
  const text = value.toLocaleString('en-US');
  return value >= MEBIBYTE && value % MEBIBYTE === 0 ? `${text} (${value / MEBIBYTE} MiB)` : text;
}

const MEBIBYTE = 1_048_576;
