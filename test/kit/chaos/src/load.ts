/** Makes calls at a steady rate whether or not they succeed, even while the cluster does not answer. */
import type { Client } from '@clstr/core';
import type { EndedCall, Recorder } from './recorder.ts';

export interface LoadOptions {
  readonly clients: readonly Client[];
  readonly recorder: Recorder;
  readonly perSecond: number;
  readonly keys: readonly string[];
  readonly timeoutMs: number;
  /** The longest time a handler takes; each takes a random part of it. Default 0. */
  readonly maxDelayMs?: number | undefined;
  /** The share of calls that are increments; the others read. Default 0.5. */
  readonly increments?: number | undefined;
}

export interface Load {
  readonly sent: number;
  /** Stops sending; resolves with all calls once the last has ended. */
  stop(): Promise<readonly EndedCall[]>;
}

const TICK_MS = 10;

export function startLoad(options: LoadOptions): Load {
  const { clients, recorder, perSecond, keys, timeoutMs, maxDelayMs = 0, increments = 0.5 } = options;
  const running: Promise<EndedCall>[] = [];
  const startMs = performance.now();
  const timer = setInterval(() => {
    const due = ((performance.now() - startMs) / 1000) * perSecond;
    while (running.length < due) {
      // One key after the other, so that no key goes without a call for long.
      const key = keys[running.length % keys.length]!;
      const delayMs = Math.floor(Math.random() * (maxDelayMs + 1));
      const op = Math.random() < increments ? 'increment' : 'get';
      const client = clients[Math.floor(Math.random() * clients.length)]!;
      running.push(
        recorder.call(client, { op, key, timeoutMs, work: delayMs > 0 ? { delayMs } : undefined }),
      );
    }
  }, TICK_MS);
  return {
    get sent() {
      return running.length;
    },
    stop: () => {
      clearInterval(timer);
      return Promise.all(running);
    },
  };
}
