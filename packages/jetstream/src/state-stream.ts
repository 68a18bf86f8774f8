/** One of the two streams of a cluster: whether it is there, whether it can be trusted, and single messages of it. */
import { isClstrError } from '@clstr/core';
import type { Clock } from '@clstr/core';
import type { CasOutcome } from '@clstr/core/store';
import { pause } from '@clstr/core/internal';
import { ApiErrors, readAck } from '@clstr/transport-nats/internal';
import { ask } from './api.ts';
import { streamDiffers, streamGone } from './errors.ts';
import type { Requests } from './requests.ts';
import { problemsOf, settingsOf } from './stream-settings.ts';
import type { StreamPlan, StreamSettings, StreamShape } from './stream-settings.ts';

interface SubjectsPage {
  readonly state: { readonly subjects?: Readonly<Record<string, number>> };
  /** How many subjects match, where there are more than one page of them. */
  readonly total?: number;
}

/** A message as the API returns it, in base64. */
export interface RawMessage {
  readonly subject: string;
  readonly seq: number;
  readonly hdrs?: string;
  readonly data?: string;
}

interface StreamInfo {
  readonly config: StreamSettings;
  readonly state: { readonly last_seq: number };
}

export interface StateStreamParts {
  readonly requests: Requests;
  readonly clock: Clock;
  readonly plan: StreamPlan;
  /** How to make the stream if it is missing. */
  readonly shape: StreamShape;
}

export class StateStream {
  readonly name: string;
  readonly #parts: StateStreamParts;
  /** Whether the stream is there with good settings. */
  #isThere = false;
  /** Whether it ever took a record: only then is it safe to ask for one. */
  #isWritten = false;
  #making: Promise<void> | undefined;

  constructor(parts: StateStreamParts) {
    this.#parts = parts;
    this.name = parts.plan.name;
  }

  /** Returns the number of its replicas, or undefined if it is not there. @throws CLUSTER_CONFIG_MISMATCH if it loses state */
  async look(timeoutMs: number): Promise<number | undefined> {
    const info = await this.#info(timeoutMs);
    if (info === undefined) return undefined;
    const { plan, shape } = this.#parts;
    const problems = problemsOf(info.config, plan, shape);
    if (problems.length > 0) throw streamDiffers(this.name, problems);
    this.#isThere = true;
    this.#isWritten ||= info.state.last_seq > 0;
    return info.config.num_replicas;
  }

  /** Makes the stream if it is missing. @throws as requests do; STORE_REFUSED, CLUSTER_CONFIG_MISMATCH */
  async prepare(timeoutMs: number): Promise<void> {
    if (this.#isThere) return;
    this.#making ??= this.#make(timeoutMs).finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  /**
   * Whether the stream may hold a record; makes it if it is missing. It asks until it knows that the stream has held one: nats-server 2.9.10 crashes
   * on questions about messages of a stream that another client is just creating, but answers this one.
   *
   * @throws STORE_REFUSED if the stream is gone
   */
  async mayHold(timeoutMs: number): Promise<boolean> {
    if (this.#isWritten) return true;
    if (!this.#isThere) await this.prepare(timeoutMs);
    else if ((await this.look(timeoutMs)) === undefined) throw streamGone(this.name);
    return this.#isWritten;
  }

  /** The newest message of a subject. @throws STORE_REFUSED */
  async newest(subject: string, timeoutMs: number): Promise<RawMessage | undefined> {
    const body = { last_by_subj: subject };
    const method = `STREAM.MSG.GET.${this.name}`;
    const { requests } = this.#parts;
    const answer = await ask<{ message: RawMessage }>(requests, method, body, timeoutMs, [
      ApiErrors.NO_MESSAGE,
    ]);
    return answer?.message;
  }

  /** The subjects below `filter` that have messages. */
  async subjects(filter: string, timeoutMs: number): Promise<Set<string>> {
    const { requests, clock } = this.#parts;
    const untilMs = clock.monoMs() + timeoutMs;
    const found = new Set<string>();
    for (let offset = 0, more = true; more; offset = found.size) {
      const body = { subjects_filter: filter, offset };
      const leftMs = untilMs - clock.monoMs();
      const page = await ask<SubjectsPage>(requests, `STREAM.INFO.${this.name}`, body, leftMs);
      for (const subject in page?.state.subjects) found.add(subject);
      more = found.size > offset && found.size < (page?.total ?? 0);
    }
    return found;
  }

  /**
   * Stores a message. Repeats it while nothing listens in a stream that never took one: the server says that a stream is
   * there as soon as another client begins to create it, before it takes messages.
   *
   * @throws as requests do
   */
  async write(subject: string, bytes: Uint8Array, head: Uint8Array, timeoutMs: number): Promise<CasOutcome> {
    const { requests, clock } = this.#parts;
    const untilMs = clock.monoMs() + timeoutMs;
    const isNew = !this.#isWritten;
    for (;;) {
      try {
        const answer = await requests.send({ subject, bytes, head, timeoutMs: untilMs - clock.monoMs() });
        const outcome = readAck(answer.data, this.name);
        if (outcome.kind === 'acked') this.#isWritten = true;
        return outcome;
      } catch (error) {
        if (!isClstrError(error, 'NO_SUBSCRIBER') || !isNew || clock.monoMs() >= untilMs) throw error;
      }
      await pause(clock, PAUSE_MS);
    }
  }

  /** Removes all messages of a subject up to and including `sequence`. */
  async purge(subject: string, sequence: number, timeoutMs: number): Promise<void> {
    const body = { filter: subject, seq: sequence + 1 };
    await ask(this.#parts.requests, `STREAM.PURGE.${this.name}`, body, timeoutMs);
  }

  #info(timeoutMs: number): Promise<StreamInfo | undefined> {
    return ask<StreamInfo>(this.#parts.requests, `STREAM.INFO.${this.name}`, undefined, timeoutMs, [
      ApiErrors.NO_STREAM,
    ]);
  }

  /**
   * While another client makes the stream, the server says that it exists, or that its subjects overlap, before it says
   * anything about it.
   */
  async #make(timeoutMs: number): Promise<void> {
    const { requests, clock, plan, shape } = this.#parts;
    const untilMs = clock.monoMs() + timeoutMs;
    for (let round = 1; ; round++) {
      const settings = settingsOf(plan, shape);
      const passing = round < ROUNDS ? [ApiErrors.STREAM_EXISTS, ApiErrors.SUBJECTS_OVERLAP] : [];
      const leftMs = untilMs - clock.monoMs();
      await ask(requests, `STREAM.CREATE.${this.name}`, settings, leftMs, passing);
      if ((await this.look(untilMs - clock.monoMs())) !== undefined) return;
      await pause(clock, PAUSE_MS);
    }
  }
}

/** How often the stream may seem to be in the making, and the pause after each time. */
const ROUNDS = 50;
const PAUSE_MS = 5;
