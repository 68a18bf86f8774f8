/** npm run overload: gives one node more than it can do, over NATS and in memory, and shows what shedding keeps. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createClient } from '@clstr/core';
import type { Transport } from '@clstr/core';
import { memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
import { endOf } from '../child-end.ts';
import { startNatsServer } from '../nats-server.ts';
import type { FromNode, ToNode } from './node-child.ts';
import type { OpenResult } from './open-load.ts';
import { measureCapacity, sendOpenLoad } from './open-load.ts';
import { NUM_SHARDS, serve } from './serving.ts';
import type { Served, Work } from './serving.ts';

const HELP = `Gives one node half of what it can do, all of it, three times and ten times as much, and prints what it answers.

Usage: npm run overload -- [--seconds <s>]      default 5 per row, about three minutes

NATS_SERVER_BIN names another nats-server than the one on the PATH.`;

const TIMEOUT_MS = 500;
/** With which the capacity is measured. */
const IN_FLIGHT = 32;
/** Of the rows with two classes. */
const CRITICAL = 0.2;
const shedding = { targetMs: 5, intervalMs: 100 };
const WORKS: Readonly<Record<string, Work>> = {
  'handlers that compute for 2 ms': { kind: 'computes', serviceMs: 2, shedding },
  'handlers that wait for 20 ms, maxRunning 10': { kind: 'waits', serviceMs: 20, maxRunning: 10, shedding },
};

/** A client, and what the node at the other end of it has served. */
interface Place {
  readonly transport: Transport;
  served(): Promise<Served>;
  close(): Promise<void>;
}

async function inMemory(work: Work): Promise<Place> {
  const transport = memoryTransport();
  const [node, served] = await serve(transport, work);
  const close = async (): Promise<void> => {
    await node.close();
    await transport.close();
  };
  return { transport, served: () => Promise.resolve(served()), close };
}

async function overNats(servers: string, work: Work): Promise<Place> {
  const program = path.join(import.meta.dirname, `node-child${path.extname(import.meta.filename)}`);
  const child = fork(program, [servers, JSON.stringify(work)]);
  const order = async (message: ToNode): Promise<FromNode> => {
    child.send(message);
    return ((await once(child, 'message')) as [FromNode])[0];
  };
  await once(child, 'message');
  const transport = await natsTransport({ servers });
  const served = async (): Promise<Served> => (await order('read')) as Served & FromNode;
  const close = async (): Promise<void> => {
    await transport.close();
    child.send('close' satisfies ToNode);
    await endOf(child);
  };
  return { transport, served, close };
}

async function run(
  title: string,
  work: Work,
  seconds: number,
  start: (work: Work) => Promise<Place>,
): Promise<void> {
  const capacity = await capacityOf(work, start);
  console.log(
    `\n${title}: ${capacity.toFixed(0)} calls/s, target ${shedding.targetMs} ms over ${shedding.intervalMs} ms`,
  );
  const row = async (times: number, critical = 0, changed: Partial<Work> = {}): Promise<OpenResult> => {
    const place = await start({ ...work, ...changed });
    const client = createClient({ transport: place.transport, numShards: NUM_SHARDS });
    const load = { perSecond: times * capacity, seconds, warmUpSeconds: 1, timeoutMs: TIMEOUT_MS, critical };
    const result = await sendOpenLoad(client, load);
    const { started, late, maxRss } = await place.served();
    await client.close();
    await place.close();
    const { succeededPerSecond, p50Ms, p99Ms, errors, criticalCalls, criticalSucceeded, lateMs } = result;
    const share = ((100 * criticalSucceeded) / criticalCalls).toFixed(2);
    console.log(
      [
        `  × ${String(times).padEnd(4)}${changed.shedding === false ? ' without shedding' : ''}`,
        `${succeededPerSecond.toFixed(0)}/s answered in time`,
        `p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`,
        `${late} of ${started} started too late`,
        `${(maxRss / 2 ** 20).toFixed(0)} MiB`,
        ...(critical > 0 ? [`critical ${criticalSucceeded} of ${criticalCalls} (${share} %)`] : []),
        JSON.stringify(errors),
        ...(lateMs > 50 ? [`the load was up to ${lateMs.toFixed(0)} ms late`] : []),
      ].join(' · '),
    );
    return result;
  };
  const half = await row(0.5);
  const peak = await row(1);
  const over = await row(10);
  await row(10, 0, { shedding: false });
  await row(3, CRITICAL);
  const goodput = over.succeededPerSecond / Math.max(peak.succeededPerSecond, over.succeededPerSecond);
  console.log(
    `  at 10 ×: ${(100 * goodput).toFixed(0)} % of the peak, p99 ${(over.p99Ms / half.p99Ms).toFixed(1)} × that at half the load`,
  );
}

/** What the node does without shedding, as this machine lets it. */
async function capacityOf(work: Work, start: (work: Work) => Promise<Place>): Promise<number> {
  const place = await start({ ...work, shedding: false });
  const client = createClient({ transport: place.transport, numShards: NUM_SHARDS });
  const capacity = await measureCapacity(client, IN_FLIGHT, 2);
  await client.close();
  await place.close();
  return capacity;
}

const { seconds, isHelp } = readArguments(process.argv.slice(2));
if (isHelp) console.log(HELP);
else {
  for (const [title, work] of Object.entries(WORKS))
    await run(`In memory, ${title}`, work, seconds, inMemory);
  const server = await startNatsServer();
  try {
    for (const [title, work] of Object.entries(WORKS)) {
      await run(`Over nats-server, ${title}`, work, seconds, (given) => overNats(server.servers, given));
    }
  } finally {
    await server.close();
  }
}

/** @throws Error naming the argument that is wrong */
function readArguments(args: readonly string[]): { seconds: number; isHelp: boolean } {
  if (args.length === 0) return { seconds: 5, isHelp: false };
  if (args[0] === '--help') return { seconds: 0, isHelp: true };
  const seconds = Number(args[1]);
  if (args[0] === '--seconds' && args.length === 2 && seconds > 0) return { seconds, isHelp: false };
  throw new Error(`npm run overload takes --seconds <s> or --help, not '${args.join(' ')}'`);
}
