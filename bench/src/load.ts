/**
 * Keeps N requests in flight for a while and measures them, with the same loop for every contender. It reads the clock
 * once per request: the next request of a loop starts when its last one was answered.
 */
import { performance } from 'node:perf_hooks';
import type { ClientSide } from './contender.ts';
import { checkAnswer, checkAnswers, createQuestions } from './payload.ts';
import { percentile } from './statistics.ts';

export interface Load {
  inFlight: number;
  seconds: number;
}

export interface Measurement {
  requests: number;
  elapsedMs: number;
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Processor time of the client process per request; of both sides if they share the process. */
  cpuUs: number;
}

// Percentiles are exact up to this many requests in one measurement; beyond, they cover the newest ones.
const KEPT_LATENCIES = 1 << 22;
const latencies = new Float64Array(KEPT_LATENCIES);

const nextQuestion = createQuestions();

/** Lists follow one another, whatever the number in flight. */
const LIST = 10_000;

/** @throws Error when a request fails or is answered with anything but its own answer. */
export async function measure(client: ClientSide, load: Load): Promise<Measurement> {
  let requests = 0;
  /** How many latencies were taken. */
  let count = 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endsAt = startedAt + load.seconds * 1_000;

  const keepOneInFlight = async (): Promise<void> => {
    for (let sentAt = performance.now(); sentAt < endsAt;) {
      const question = nextQuestion();
      const reply = await client.request(question.key, question);
      const now = performance.now();
      checkAnswer(question, reply);
      latencies[count % KEPT_LATENCIES] = now - sentAt;
      requests += 1;
      count += 1;
      sentAt = now;
    }
  };
  /** A latency is that of a list. */
  const askLists = async (requestMany: NonNullable<ClientSide['requestMany']>): Promise<void> => {
    for (let sentAt = performance.now(), lists = 0; sentAt < endsAt; lists += 1) {
      const questions = Array.from({ length: LIST }, nextQuestion);
      checkAnswers(questions, await requestMany(questions));
      requests += LIST;
      const now = performance.now();
      latencies[lists] = now - sentAt;
      count = lists + 1;
      sentAt = now;
    }
  };

  if (client.requestMany !== undefined) await askLists(client.requestMany);
  else await Promise.all(Array.from({ length: load.inFlight }, keepOneInFlight));

  const elapsedMs = performance.now() - startedAt;
  const cpu = process.cpuUsage(cpuBefore);
  const sorted = latencies.slice(0, Math.min(count, KEPT_LATENCIES)).sort();
  return {
    requests,
    elapsedMs,
    requestsPerSecond: (requests / elapsedMs) * 1_000,
    p50Ms: percentile(sorted, 0.5),
    p99Ms: percentile(sorted, 0.99),
    cpuUs: (cpu.user + cpu.system) / requests,
  };
}
