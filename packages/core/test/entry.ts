/** An entry as it reaches a node, and a way back that keeps the answers. */
import type { Failure } from '../src/base/errors.ts';
import type { InboundEntry, ReplyPort } from '../src/wire/transport.ts';

let attempts = 0;

export function entryOf(fields: Partial<InboundEntry> = {}): InboundEntry {
  return {
    isNotify: false,
    clientId: 7,
    attempt: ++attempts,
    shard: 1,
    type: 'Get',
    key: undefined,
    headers: undefined,
    payload: new TextEncoder().encode('1'),
    isRaw: false,
    ttlMs: undefined,
    receivedAtMs: 1_000_000,
    ...fields,
  };
}

export interface Answer {
  readonly attempt: number;
  readonly value?: unknown;
  readonly isRaw?: boolean;
  readonly error?: Failure;
}

export interface RecordedPort extends ReplyPort {
  readonly answers: Answer[];
  readonly last: Answer | undefined;
}

export function recordAnswers(): RecordedPort {
  const answers: Answer[] = [];
  return {
    answers,
    get last() {
      return answers.at(-1);
    },
    reply({ attempt }, payload, isRaw) {
      answers.push({ attempt, value: payload, isRaw });
    },
    fail({ attempt }, error) {
      answers.push({ attempt, error });
    },
  };
}
