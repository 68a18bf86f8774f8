/** The probes that a node sends to its own addresses over the bus, where they must arrive and be answered. */
import { PROBE_TYPE } from '../wire/envelope.ts';
import { ClstrError } from '../base/errors.ts';
import { hash64 } from '../placement/hash64.ts';
import type {
  Address,
  ClientLink,
  NodeAddress,
  OutboundEntry,
  ReplySink,
  Transport,
} from '../wire/transport.ts';

/** `error` is undefined for a probe that came back: even a refusal proves that messages pass in both directions. */
export type ProbeListener = (error: ClstrError | undefined) => void;

export type Prober = Pick<NodeProbe, 'open' | 'ask' | 'forget' | 'close'>;

export class NodeProbe {
  readonly #transport: Transport;
  readonly #ttlMs: number;
  #link: ClientLink | undefined;
  #attempt = 0;

  constructor(transport: Transport, ttlMs: number) {
    this.#transport = transport;
    this.#ttlMs = ttlMs;
  }

  /**
   * Call it before the node serves an address: if subscriptions are limited, the answers need theirs. `inc` is random.
   *
   * @throws TRANSPORT_CLOSED
   */
  open(inc: string): void {
    const { high, low } = hash64(inc);
    const clientId = (high % 0x20_0000) * 0x1_0000_0000 + low || 1;
    this.#link ??= this.#transport.openLink({ clientId, isProbe: true });
  }

  /** Probes `address` for the run `inc`; calls `listener` once, unless the attempt is forgotten before. */
  ask(address: Address, inc: string, listener: ProbeListener): number {
    const attempt = ++this.#attempt;
    const shard = 'shard' in address ? address.shard : 0;
    const probe = new Probe(attempt, shard, inc, this.#ttlMs, listener);
    this.#link?.send(address, probe, probe);
    return attempt;
  }

  /** Sends another question of this node; `make` gets its attempt. */
  send(to: NodeAddress, make: (attempt: number) => OutboundEntry & ReplySink): number {
    const attempt = ++this.#attempt;
    const question = make(attempt);
    this.#link?.send(to, question, question);
    return attempt;
  }

  forget(attempt: number): void {
    this.#link?.release(attempt);
  }

  async close(): Promise<void> {
    await this.#link?.close();
  }
}

class Probe implements OutboundEntry, ReplySink {
  readonly isNotify = false;
  readonly attempt: number;
  readonly shard: number;
  readonly type = PROBE_TYPE;
  /** The run that the probe is for: another one stays silent. */
  readonly key: string;
  readonly headers = undefined;
  readonly payload = 'null';
  readonly isRaw = false;
  readonly #ttlMs: number;
  readonly #listener: ProbeListener;

  constructor(attempt: number, shard: number, inc: string, ttlMs: number, listener: ProbeListener) {
    this.attempt = attempt;
    this.shard = shard;
    this.key = inc;
    this.#ttlMs = ttlMs;
    this.#listener = listener;
  }

  remainingMs(): number {
    return this.#ttlMs;
  }

  onSent(): void {
    /* Only an answer proves anything. */
  }

  onReply(): void {
    this.#listener(undefined);
  }

  onError(error: ClstrError): void {
    this.#listener(error);
  }
}

/** The error for a probe without an answer. */
export function silent(what: string, ms: number): ClstrError {
  return new ClstrError('TIMEOUT', `no answer on ${what} for ${Math.round(ms)} ms`);
}
