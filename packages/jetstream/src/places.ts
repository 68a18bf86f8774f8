/** Where records are: `<cluster>.state.<service>.<space>.<shard>.<key>`, and the same with `log`. */
import { ClstrError } from '@clstr/core';
import type { StatePlace } from '@clstr/core/store';
import { describe } from '@clstr/core/internal';
import { isHashed, tokenOf } from './key-token.ts';

/** First part of the subjects of a stream, which ends with a dot. */
export function rootOf(cluster: string, keeps: StatePlace['keeps']): string {
  return `${cluster}.${keeps === 'newest' ? 'state' : 'log'}.`;
}

export interface Subject {
  readonly text: string;
  /** The key, if the subject does not say it. */
  readonly keyBeside: string | undefined;
}

/** The subjects of one service. */
export class Places {
  readonly #cluster: string;
  readonly #service: string;
  /** First part of the subjects of each space. */
  readonly #spaces = new Map<string, string>();

  constructor(cluster: string, service: string) {
    this.#cluster = cluster;
    this.#service = service;
  }

  /** @throws INVALID_OPTION */
  subjectOf(place: StatePlace): Subject {
    const token = tokenOf(place.key);
    return { text: this.shardOf(place) + token, keyBeside: isHashed(token) ? place.key : undefined };
  }

  /** First part of the subjects of a shard, which ends with a dot. @throws INVALID_OPTION */
  shardOf({ keeps, space, shard }: Omit<StatePlace, 'key'>): string {
    const start = this.#spaces.get(keeps + space) ?? this.#addSpace(keeps, space);
    if (Number.isSafeInteger(shard) && shard >= 0) return `${start}${shard}.`;
    throw new ClstrError('INVALID_OPTION', `${describe(shard)} is not a shard`);
  }

  /** Anything but a name would change the subject. */
  #addSpace(keeps: StatePlace['keeps'], space: string): string {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(space)) {
      throw new ClstrError('INVALID_OPTION', `${describe(space)} is not 1 to 64 of A-Z a-z 0-9 _ -`);
    }
    const start = `${rootOf(this.#cluster, keeps)}${this.#service}.${space}.`;
    this.#spaces.set(keeps + space, start);
    return start;
  }
}

/** Where the mark of an erasure is that has left records; one token longer, so that no list has it. */
export function cutOf({ text }: Subject): string {
  return `${text}.cut`;
}
