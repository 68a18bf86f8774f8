/** Gets sessions for one connection: one dial at a time, each to the next known server, with pauses that grow. */
import type { Clock, ClstrError } from '@clstr/core';
import { MAX_DELAY_MS } from '@clstr/core/internal';
import type { ConnectionOptions, TlsOptions } from 'nats';
import { Dial } from './dial.ts';
import type { Session } from './dial.ts';
import { KnownServers, randomFraction } from './known-servers.ts';
import { fromConnectError } from './nats-errors.ts';

export interface DialerOptions {
  /** For the NATS client, with `servers`, `reconnectTimeWait` and `pingInterval`. */
  readonly connect: ConnectionOptions;
  readonly clock: Clock;
  /** Called for each dial that failed, except those of the first round. */
  onFailure(error: ClstrError): void;
}

/** How the pause grows in each round: at the end of an outage it is about a quarter of the outage. */
const GROWTH = 1.25;
/** The longest pause, as a multiple of the first. */
const MAX_GROWTH = 4;
/** The pauses of programs that lost the same server must not end together. */
const JITTER = 0.2;

export class Dialer {
  readonly #options: DialerOptions;
  readonly #servers: KnownServers;
  readonly #waitMs: number;
  /** How many dials in a row led to no session, or to one that ended at once. */
  #failures = 0;
  #sessionMs = 0;
  #dial: Dial | undefined;
  #isStopped = false;
  #stopPause: () => void = () => undefined;
  /** Name of the server in its certificate, for the addresses that it names. */
  #tlsName: string | undefined;

  constructor(options: DialerOptions) {
    this.#options = options;
    this.#servers = new KnownServers(options.connect.servers as readonly string[]);
    this.#waitMs = options.connect.reconnectTimeWait!;
  }

  /** Tries each server once. @throws AUTH_FAILED when one of them refused the credentials, CONNECT_FAILED */
  async first(): Promise<Session> {
    let failure: ClstrError | undefined;
    for (let left = this.#servers.all.length; left > 0; left--) {
      try {
        return await this.#tryNext();
      } catch (cause) {
        const error = fromConnectError(cause, this.#options.connect.servers as readonly string[]);
        if (failure?.code !== 'AUTH_FAILED') failure = error;
      }
    }
    throw failure!;
  }

  /** Call it when the session has ended. Tries until there is another one; returns undefined once stopped. */
  async next(ended: Session): Promise<Session | undefined> {
    const { clock, onFailure } = this.#options;
    this.learn(ended);
    // Dials a server that ends sessions at once as rarely as one that refuses.
    if (clock.monoMs() - this.#sessionMs > this.#waitMs) this.#failures = 0;
    else this.#failures++;
    while (!this.#hasStopped()) {
      await this.#pause();
      if (this.#hasStopped()) break;
      try {
        return await this.#tryNext();
      } catch (cause) {
        this.#failures++;
        if (!this.#hasStopped()) onFailure(fromConnectError(cause, [this.#servers.all.at(-1)!]));
      }
    }
    return undefined;
  }

  learn({ nats }: Session): void {
    const urls: unknown = nats.info?.connect_urls;
    if (Array.isArray(urls) && urls.length > 0) this.#servers.learn(urls as string[]);
  }

  /** Ends the current dial or pause. */
  stop(): void {
    this.#isStopped = true;
    this.#dial?.abort();
    this.#stopPause();
  }

  async #tryNext(): Promise<Session> {
    const server = this.#servers.next();
    this.#dial = new Dial(this.#optionsFor(server));
    try {
      const session = await this.#dial.session;
      this.#sessionMs = this.#options.clock.monoMs();
      const host = hostOf(server);
      const { tls_required, tls_available } = session.nats.info ?? {};
      if (!this.#servers.isLearned(server) && !IP.test(host) && (tls_required ?? tls_available)) {
        this.#tlsName = host;
      }
      this.learn(session);
      return session;
    } finally {
      this.#dial = undefined;
    }
  }

  /** The NATS client dials this server once, and never by itself. */
  #optionsFor(server: string): ConnectionOptions {
    const { connect } = this.#options;
    const options: ConnectionOptions = {
      ...connect,
      servers: [server],
      reconnect: false,
      ignoreClusterUpdates: true,
      // The client's own pings need three intervals; see liveness.ts.
      pingInterval: MAX_DELAY_MS,
    };
    const isAddress = this.#servers.isLearned(server) && IP.test(hostOf(server));
    if (this.#tlsName === undefined || !isAddress) return options;
    return { ...options, tls: { servername: this.#tlsName, ...connect.tls } as TlsOptions };
  }

  /** The pause between rounds of all servers is that between attempts at a single one. */
  async #pause(): Promise<void> {
    if (this.#failures === 0) return;
    const round = Math.floor((this.#failures - 1) / this.#servers.all.length);
    const pauseMs = this.#waitMs * Math.min(GROWTH ** round, MAX_GROWTH) * (1 + JITTER * randomFraction());
    await new Promise<void>((resolve) => {
      const stopTimer = this.#options.clock.timer(resolve, pauseMs);
      this.#stopPause = () => {
        stopTimer();
        resolve();
      };
    });
  }

  #hasStopped(): boolean {
    return this.#isStopped;
  }
}

const IP = /^(?:\d+\.\d+\.\d+\.\d+|\[.*\])$/;

function hostOf(server: string): string {
  return server.slice(0, server.lastIndexOf(':'));
}
