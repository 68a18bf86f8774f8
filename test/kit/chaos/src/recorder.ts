/** Makes calls and writes each of them, and each reply, to a file before anything else happens. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { Client, ErrorCode } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import { createHistory } from '@clstr/testing/history';
import type { Work } from './contract.ts';
import { Counter } from './contract.ts';
import { nowMs } from './now.ts';

export interface CallPlan {
  readonly op: 'increment' | 'get';
  readonly key: string;
  readonly timeoutMs: number;
  readonly work?: Work | undefined;
}

/** A call that has ended. `code` is its error code, or undefined for a reply. */
export interface EndedCall extends CallPlan {
  readonly shard: number;
  readonly invokedAt: number;
  readonly endedAt: number;
  readonly value: number | undefined;
  readonly code: ErrorCode | undefined;
}

export interface Recorder {
  readonly file: string;
  /** All calls, in order of their ends. */
  readonly calls: readonly EndedCall[];
  /** Never rejects. Reads are idempotent, increments are not. */
  call(client: Client, plan: CallPlan): Promise<EndedCall>;
  /** Records the final value in the store, as a read that is always right. */
  addStored(key: string, value: number): void;
  close(): void;
}

export function createRecorder(file: string): Recorder {
  const descriptor = openSync(file, 'w');
  let isClosed = false;
  const history = createHistory({
    onLine: (line) => {
      if (!isClosed) writeSync(descriptor, line);
    },
  });
  const calls: EndedCall[] = [];
  let processes = 0;
  const names = new Map<Client, string>();
  const nameOf = (client: Client): string => {
    let name = names.get(client);
    if (name === undefined) names.set(client, (name = `client-${++processes}`));
    return name;
  };
  return {
    file,
    calls,
    async call(client, plan) {
      const { op, key, timeoutMs, work } = plan;
      const invokedAt = nowMs();
      const id = history.invoke({ process: nameOf(client), key, op }, invokedAt);
      let value: number | undefined;
      let code: ErrorCode | undefined;
      let endedAt: number;
      try {
        value = await Counter.ref(client, key)[op](work, { timeoutMs });
        endedAt = nowMs();
        history.complete(id, { outcome: 'ok', value }, endedAt);
      } catch (error) {
        if (!isClstrError(error)) throw error;
        endedAt = nowMs();
        code = error.code;
        const outcome = error.outcome === 'not-executed' ? 'not-executed' : 'unknown';
        history.complete(id, { outcome }, endedAt);
      }
      const ended = { ...plan, shard: client.shardOf(key), invokedAt, endedAt, value, code };
      calls.push(ended);
      return ended;
    },
    addStored(key, value) {
      const id = history.invoke({ process: 'store', key, op: 'get' }, nowMs());
      history.complete(id, { outcome: 'ok', value }, nowMs());
    },
    close: () => {
      isClosed = true;
      closeSync(descriptor);
    },
  };
}
