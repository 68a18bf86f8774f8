/** Whether an app can do its work, and what is wrong: for probes, and for the person who looks after an alarm. */
import type { Client, Clock, ConnectionState, NodeState, OpenBreaker, Transport } from '@clstr/core';
import { isClstrError } from '@clstr/core';
import { breakerReasons } from './breaker-health.ts';
import { ConnectionWatch } from './connection-health.ts';
import { EventLoopDelay, eventLoopReasons } from './event-loop.ts';
import type { EventLoopHealth } from './event-loop.ts';
import { NodeWatch } from './node-health.ts';
import type { NodeHealth, WatchedNode } from './node-health.ts';
import { gravestFirst, healthReason } from './reasons.ts';
import type { HealthCode, HealthReason } from './reasons.ts';

/** `connecting` until there is a connection, `joining` until the app has started; `failed` if it did not start. */
export type AppState =
  'connecting' | 'joining' | 'disconnected' | 'failed' | Exclude<NodeState, 'created' | 'starting'>;

/** A plain object: JSON holds all of it. It has no keys of actors, and no secrets. */
export interface Health {
  /** Whether calls may be sent to this process: no reason is `not-ready` or `not-live`. */
  readonly isReady: boolean;
  /** False if only a restart of the process helps. */
  readonly isLive: boolean;
  readonly state: AppState;
  /** Everything that is not well, the gravest first. */
  readonly reasons: readonly HealthReason[];
  /** Absent before the first connection. */
  readonly connection?: ConnectionState;
  readonly nodes: readonly NodeHealth[];
  /** The nodes to which the client sends no calls at the moment, or only some that try whether they answer again. */
  readonly openBreakers: readonly OpenBreaker[];
  readonly eventLoop: EventLoopHealth;
}

export interface AppHealthOptions {
  /** How the texts call it. */
  readonly subject: 'the app' | 'the client';
  readonly clock: Clock;
  /** Where its servers are, without credentials, if that is known before there is a connection. */
  readonly address: string | undefined;
}

/** The health of an app, or of a client that has a connection of its own: they report each step of their lives. */
export class AppHealth {
  readonly #subject: string;
  readonly #clock: Clock;
  readonly #address: string | undefined;
  readonly #loop: EventLoopDelay;
  readonly #startedMs: number;
  readonly #nodes: NodeWatch[] = [];
  #connection: ConnectionWatch | undefined;
  #client: Pick<Client, 'openBreakers'> | undefined;
  #isStarted = false;
  #isEnding = false;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor({ subject, clock, address }: AppHealthOptions) {
    this.#subject = subject;
    this.#clock = clock;
    this.#address = address;
    this.#loop = new EventLoopDelay(clock);
    this.#startedMs = clock.monoMs();
  }

  connected(transport: Transport): void {
    this.#connection = new ConnectionWatch(transport, this.#clock);
  }

  opened(client: Pick<Client, 'openBreakers'>): void {
    this.#client = client;
  }

  added(node: WatchedNode): void {
    this.#nodes.push(new NodeWatch(node, this.#clock));
  }

  started(): void {
    this.#isStarted = true;
  }

  /** It begins to close, and its parts with it. */
  ending(): void {
    this.#isEnding = true;
  }

  failed(error: unknown): void {
    this.#failure ??= { error };
  }

  closed(): void {
    this.#isClosed = true;
    this.#loop.close();
    this.#connection?.close();
  }

  read(): Health {
    const nodes = this.#nodes.map((watch) => watch.read());
    const eventLoop = this.#loop.read();
    const openBreakers = this.#client?.openBreakers() ?? [];
    const reasons = gravestFirst([
      ...this.#reasons(nodes),
      ...breakerReasons(openBreakers),
      ...eventLoopReasons(eventLoop),
    ]);
    const connection = this.#connection?.state;
    return {
      isReady: reasons.every(({ effect }) => effect === 'warning'),
      isLive: reasons.every(({ effect }) => effect !== 'not-live'),
      state: this.#state(reasons),
      reasons,
      ...(connection !== undefined && { connection }),
      nodes,
      openBreakers,
      eventLoop,
    };
  }

  #reasons(nodes: readonly NodeHealth[]): HealthReason[] {
    if (this.#failure !== undefined) {
      return [
        healthReason('START_FAILED', `${this.#subject} did not start: ${failureText(this.#failure.error)}`),
      ];
    }
    if (this.#isClosed) return [healthReason('CLOSED', `${this.#subject} has closed`)];
    const isEnding = this.#isEnding;
    const isStarting = !this.#isStarted && !isEnding;
    const ofNodes = this.#nodes.flatMap((watch, i) => watch.reasons(nodes[i]!, isStarting, isEnding));
    const isTold = ofNodes.some(({ code }) => code === 'STARTING');
    return [
      ...(isEnding ? [healthReason('DRAINING', `${this.#subject} is closing`)] : []),
      ...(isStarting && !isTold ? [healthReason('STARTING', this.#startingText())] : []),
      ...(this.#connection?.reasons(isEnding) ?? []),
      ...ofNodes,
    ];
  }

  #startingText(): string {
    const forMs = Math.round(this.#clock.monoMs() - this.#startedMs);
    const [missing, at] =
      this.#connection === undefined ? ['a connection', 'to'] : ['the membership store', 'at'];
    const where = this.#address === undefined ? '' : ` ${at} ${this.#address}`;
    return `${this.#subject} has been waiting for ${missing}${where} for ${forMs} ms`;
  }

  #state([gravest]: readonly HealthReason[]): AppState {
    if (gravest?.code === 'STARTING') return this.#connection === undefined ? 'connecting' : 'joining';
    return (gravest && STATES[gravest.code]) ?? 'serving';
  }
}

const STATES: Readonly<Partial<Record<HealthCode, AppState>>> = {
  START_FAILED: 'failed',
  CLOSED: 'closed',
  PART_CLOSED: 'closed',
  DRAINING: 'draining',
  FENCED: 'fenced',
  LAPSED: 'lapsed',
  CONNECTION_LOST: 'disconnected',
  UNREACHABLE: 'unreachable',
};

/** Only our own errors are known to hold no secrets. */
function failureText(error: unknown): string {
  if (isClstrError(error)) return `${error.code}: ${error.message}`;
  return 'an error that is not one of clstr; the log has its text';
}
