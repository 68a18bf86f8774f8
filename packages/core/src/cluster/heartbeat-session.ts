/**
 * One run of a node as a member: its heartbeats, its lease, and the end of both.
 *
 *   joined ── heartbeat acknowledged ──▶ valid ── lease over ──▶ lapsed ── a later heartbeat acknowledged ──▶ valid
 *      ╰── another wrote the heartbeat's key, or it is gone ──▶ fenced: this run never serves again
 */
import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { randomId } from '../base/random.ts';
import type { ClusterStore } from './store.ts';
import { Lease } from './lease.ts';
import type { Instant } from './lease.ts';
import { heartbeatKey } from './records.ts';
import type { Heartbeat } from './records.ts';
import type { Timing } from './timing.ts';
import { writeUntilKnown } from './write.ts';

export interface HeartbeatSessionOptions {
  readonly nodeId: string;
  readonly inc: string;
  readonly store: ClusterStore;
  readonly timing: Timing;
  readonly clock: Clock;
  readonly random: Random;
}

export interface HeartbeatSessionListener {
  /** The lease is over: handlers that run have to stop. */
  onLeaseExpired(): void;
  /** The lease holds, for the first time or again. */
  onValid(): void;
  /** This run is over for good. Called once. */
  onFenced(reason: string): void;
}

export class HeartbeatSession {
  readonly #options: HeartbeatSessionOptions;
  readonly #listener: HeartbeatSessionListener;
  readonly #lease: Lease;
  /** Rises each time the lease expires: what was sent in an earlier term proves nothing in a later one. */
  leaseTerm = 0;
  #isExpired = true;
  #isEnded = false;
  #validSinceMs = 0;
  #revision = 0;
  #beat = 0;
  #wake: (() => void) | undefined;
  #cancelExpiryTimer: (() => void) | undefined;
  /** Called with the result of the next heartbeat. */
  #waiting: ((isConfirmed: boolean) => void)[] = [];

  constructor(options: HeartbeatSessionOptions, listener: HeartbeatSessionListener) {
    this.#options = options;
    this.#listener = listener;
    const { leaseMs, guardMs } = options.timing;
    this.#lease = new Lease(options.clock, leaseMs - guardMs);
  }

  /** Hot path: each admission tests it, because a timer runs late after a pause. */
  isValid(nowMs?: number): boolean {
    if (this.#isExpired || this.#isEnded) return false;
    if (this.#lease.isValid(nowMs)) return true;
    this.#expire();
    return false;
  }

  /** How long the lease has been valid without a break. */
  get validForMs(): number {
    return this.isValid() ? this.#options.clock.monoMs() - this.#validSinceMs : 0;
  }

  /** Whether the store answers now: it acknowledged one of the last two heartbeats. */
  get isFresh(): boolean {
    return this.isValid() && this.#lease.ageMs <= 2 * this.#options.timing.heartbeatMs;
  }

  /** How long the lease lasts without another heartbeat; 0 when it is over. */
  get marginMs(): number {
    return this.isValid() ? this.#lease.remainingMs : 0;
  }

  now(): Instant {
    return this.#lease.now();
  }

  /** The bytes of the next heartbeat. */
  nextBeat(): string {
    const { inc, random, timing } = this.#options;
    const { leaseMs } = timing;
    const nonce = randomId(random, 10);
    return JSON.stringify({ inc, beat: ++this.#beat, leaseMs, isDead: false, nonce } satisfies Heartbeat);
  }

  /** The first heartbeat, sent at `from`, was written as `revision`; the others follow. */
  begin(revision: number, from: Instant): void {
    this.#revision = revision;
    this.#renew(from, this.leaseTerm);
    void this.#beatOn();
  }

  /** Sends a heartbeat at once; resolves to whether one from now on is acknowledged within this lease. */
  confirm(): Promise<boolean> {
    if (!this.isValid()) return Promise.resolve(false);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#wake?.();
    });
  }

  /** Ends the session without telling the other members. Idempotent. */
  end(): void {
    this.#isEnded = true;
    this.#cancelExpiryTimer?.();
    this.#wake?.();
    settle(this.#waiting, false);
  }

  async #beatOn(): Promise<void> {
    const { clock, timing } = this.#options;
    let sentMs = clock.monoMs();
    for (;;) {
      if (this.#waiting.length === 0) await this.#sleep(timing.heartbeatMs - (clock.monoMs() - sentMs));
      if (this.#isEnded) return;
      sentMs = clock.monoMs();
      await this.#sendBeat();
    }
  }

  /** Bypasses the ledger: a lost heartbeat ends the incarnation before anything else follows from it. */
  async #sendBeat(): Promise<void> {
    const { leaseTerm } = this;
    const waiting = this.#waiting;
    this.#waiting = [];
    const from = this.now();
    const result = await writeUntilKnown(this.#options, {
      key: heartbeatKey(this.#options.nodeId),
      revision: this.#revision,
      value: this.nextBeat(),
      isWanted: () => !this.#isEnded,
    });
    if (result.kind === 'acked') {
      this.#revision = result.entry.revision;
      this.#renew(from, leaseTerm);
    }
    settle(waiting, result.kind === 'acked' && leaseTerm === this.leaseTerm && this.isValid());
    if (result.kind === 'lost') {
      this.fence(
        result.newest === undefined ? 'its heartbeat record is gone' : 'another wrote its heartbeat record',
      );
    }
  }

  fence(reason: string): void {
    if (this.#isEnded) return;
    this.end();
    this.#listener.onFenced(reason);
  }

  /** A heartbeat first sent before the lease expired proves nothing after it. */
  #renew(from: Instant, termAtSending: number): void {
    if (this.#isEnded) return;
    this.isValid();
    if (termAtSending !== this.leaseTerm) return;
    this.#lease.extend(from);
    if (!this.#lease.isValid()) return;
    this.#armExpiryTimer();
    if (!this.#isExpired) return;
    this.#isExpired = false;
    this.#validSinceMs = this.#options.clock.monoMs();
    this.#listener.onValid();
  }

  #expire(): void {
    this.#isExpired = true;
    this.leaseTerm++;
    this.#cancelExpiryTimer?.();
    this.#listener.onLeaseExpired();
  }

  /** Ends running handlers even when no message comes. */
  #armExpiryTimer(): void {
    this.#cancelExpiryTimer?.();
    this.#cancelExpiryTimer = this.#options.clock.timer(() => {
      if (this.isValid()) this.#armExpiryTimer();
    }, this.#lease.remainingMs + 1);
  }

  #sleep(ms: number): Promise<void> {
    if (ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#options.clock.timer(resolve, ms);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

function settle(waiting: ((isConfirmed: boolean) => void)[], isConfirmed: boolean): void {
  for (const resolve of waiting.splice(0)) resolve(isConfirmed);
}
