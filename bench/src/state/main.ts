/** npm run state: what state in JetStream costs, beside plain publishes of the same bytes to the same server. */
import { readFileSync } from 'node:fs';
import { systemClock } from '@clstr/core';
import type { StateStore } from '@clstr/core/store';
import { jetstreamStore } from '@clstr/jetstream';
import { startNatsServer } from '@clstr/testing/nats';
import { natsTransport } from '@clstr/transport-nats';
import { DiscardPolicy, connect } from 'nats';
import { percentile, spreadOf } from '../statistics.ts';

const HELP = `Appends records to JetStream by compare-and-set, loads logs of 1,001 records, and counts what the server remembers.

Usage: npm run state -- [--seconds <s>]      default 4 per row and round, about two minutes

NATS_SERVER_BIN names another nats-server than the one on the PATH.`;

const KEYS = 1_024;
const SHARDS = 1_024;
const ROUNDS = 5;
/** A record of a small actor. */
const bytes: Uint8Array = new Uint8Array(200).fill(65);
const TIMEOUT_MS = 20_000;

if (process.argv.includes('--help')) console.log(HELP);
else await measure(secondsOf(process.argv));

function secondsOf(args: readonly string[]): number {
  const at = args.indexOf('--seconds');
  return at === -1 ? 4 : Number(args[at + 1]);
}

async function measure(seconds: number): Promise<void> {
  await withStore(async (store, servers) => {
    await measureAppends(store, servers, seconds);
    await measureLoads(store);
  });
  await withStore(measureMemory);
}

async function withStore(
  work: (store: StateStore, servers: string, pid: number) => Promise<void>,
): Promise<void> {
  await using server = await startNatsServer({ args: ['-js'] });
  await using transport = await natsTransport({ servers: server.url, cluster: 'bench' });
  const logger = { debug: ignore, info: ignore, warn: console.error, error: console.error };
  const context = { cluster: 'bench', service: 'default', transport, clock: systemClock, logger };
  const store = await jetstreamStore().open(context);
  await work(store, server.url, server.pid!);
  await store.close();
}

type Write = (key: number, count: number) => Promise<unknown>;

async function measureAppends(store: StateStore, servers: string, seconds: number): Promise<void> {
  const nats = await connect({ servers, noAsyncTraces: true });
  const manager = await nats.jetstreamManager();
  const plain = { discard: DiscardPolicy.New, retention: 'limits' as never };
  await manager.streams.add({ ...plain, name: 'NEWEST', subjects: ['newest.>'], max_msgs_per_subject: 1 });
  await manager.streams.add({ ...plain, name: 'ALL', subjects: ['all.>'] });
  const stream = nats.jetstream({ timeout: TIMEOUT_MS });
  const publish =
    (prefix: string): Write =>
    (key) =>
      stream.publish(`${prefix}.default.account.${key % SHARDS}.key-${key}`, bytes);
  for (const keeps of ['newest', 'all'] as const) {
    const shares: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const raw = await rateOf(KEYS, seconds, publish(keeps));
      const own = await rateOf(KEYS, seconds, appendTo(store, keeps, round));
      shares.push(own / raw);
      console.log(`${keeps}: js.publish ${perSecond(raw)}, append ${perSecond(own)}: ${percent(own / raw)}`);
    }
    const { median, min, max } = spreadOf(shares);
    console.log(`${keeps}: append at ${percent(median)} of js.publish (${percent(min)} to ${percent(max)})`);
  }
  console.log(`one key: append ${perSecond(await rateOf(1, seconds, appendTo(store, 'newest', ROUNDS)))}`);
  await nats.close();
}

/** Every hundredth record is whole, as snapshots are. */
function appendTo(store: StateStore, keeps: 'newest' | 'all', round: number): Write {
  const revisions: number[] = [];
  return async (key, count) => {
    const place = { space: `round-${round}`, keeps, shard: key % SHARDS, key: `key-${key}` };
    const record = { bytes, isWhole: keeps === 'newest' || count % 100 === 0 };
    revisions[key] = await appended(store, place, revisions[key] ?? 0, record);
  };
}

async function appended(
  store: StateStore,
  place: Parameters<StateStore['append']>[0],
  revision: number,
  record: Parameters<StateStore['append']>[2],
): Promise<number> {
  const outcome = await store.append(place, revision, record, TIMEOUT_MS);
  if (outcome.kind === 'acked') return outcome.revision;
  throw new Error(`an append was ${outcome.kind}`);
}

/** Each key writes again as soon as its last write is acknowledged. */
async function rateOf(keys: number, seconds: number, write: Write): Promise<number> {
  const startMs = performance.now();
  const untilMs = startMs + 1_000 * seconds;
  let written = 0;
  const writeOn = async (key: number): Promise<void> => {
    for (let count = 0; performance.now() < untilMs; count++) {
      await write(key, count);
      written++;
    }
  };
  await Promise.all(Array.from({ length: keys }, (_, key) => writeOn(key)));
  return (1_000 * written) / (performance.now() - startMs);
}

/** A snapshot and 1,000 events; the events of `together` keys lie between each other in the stream. */
async function measureLoads(store: StateStore): Promise<void> {
  for (const together of [1, 20, 100]) {
    const places = Array.from({ length: together }, (_, key) => ({
      space: `together-${together}`,
      keeps: 'all' as const,
      shard: 7,
      key: `key-${key}`,
    }));
    const revisions = places.map(() => 0);
    for (let count = 0; count <= 1_000; count++) {
      const record = { bytes, isWhole: count === 0 };
      await Promise.all(
        places.map(async (place, i) => {
          revisions[i] = await appended(store, place, revisions[i]!, record);
        }),
      );
    }
    const times: number[] = [];
    for (let i = 0; i < 400; i++) {
      const startMs = performance.now();
      const { records } = await store.load(places[i % together]!, TIMEOUT_MS);
      if (records.length !== 1_001) throw new Error(`a log has ${records.length} records`);
      times.push(performance.now() - startMs);
    }
    times.sort((a, b) => a - b);
    const [half, most] = [0.5, 0.99].map((share) => percentile(times, share).toFixed(1));
    console.log(`load of a snapshot and 1,000 events, ${together} such logs: p50 ${half} ms, p99 ${most} ms`);
  }
}

async function measureMemory(store: StateStore, _servers: string, pid: number): Promise<void> {
  const KEYS_IN_ALL = 100_000;
  const TOGETHER = 1_000;
  const put = (key: number): Promise<number> => {
    const place = { space: 'account', keeps: 'newest' as const, shard: key % SHARDS, key: `customer-${key}` };
    return appended(store, place, 0, { bytes, isWhole: true });
  };
  await put(-1 + SHARDS * 1_000);
  const before = residentBytes(pid);
  for (let key = 0; key < KEYS_IN_ALL; key += TOGETHER) {
    await Promise.all(Array.from({ length: TOGETHER }, (_, i) => put(key + i)));
  }
  const each = Math.round((residentBytes(pid) - before) / KEYS_IN_ALL);
  console.log(`memory of the server for each of 100,000 keys: ${each} bytes`);
}

/** Linux alone says it. */
function residentBytes(pid: number): number {
  const [, kibibytes] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return 1_024 * Number(kibibytes);
}

function perSecond(rate: number): string {
  return `${Math.round(rate).toLocaleString('en')}/s`;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

function ignore(): void {
  // What goes well is not printed.
}
