/** The endpoints for probes, for servers of `node:http` and those in the style of fetch. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ClstrError } from '@clstr/core';
import type { Health } from './health.ts';
import { healthReason } from './reasons.ts';

/** What `createApp` and `connectClient` take as `health`. */
export interface HealthFollower {
  /** Called once, before anything connects, with a function that returns the health at any time from then on. */
  follow(health: () => Health): void;
}

/**
 * Answers `/livez`, `/readyz` and `/healthz` with 200 or 503. The functions need no `this`.
 *
 * - `/livez` is 503 if only a restart of the process helps; that never depends on NATS.
 * - `/readyz` is 503 if calls should go elsewhere, from the first moment of a drain on.
 * - `/healthz` has the status of `/readyz`, and all of {@link Health} as JSON; so has each of them with `?verbose`.
 */
export interface HealthHandler extends HealthFollower {
  /** For `createServer(health.node)`. Other paths go to `next`, as in Express, and without one get 404. */
  readonly node: (request: IncomingMessage, response: ServerResponse, next?: () => void) => void;
  /** For Hono, Deno, Bun and all that pass a `Request`. Other paths get 404. */
  readonly fetch: (request: Request) => Response;
}

/** Makes a handler for one app: give it to the app as `health`, and its functions to a server. */
export function healthHandler(): HealthHandler {
  let read = (): Health => NOT_CREATED;
  return Object.freeze<HealthHandler>({
    node(request, response, next) {
      const { method = 'GET', url = '/' } = request;
      const answer = answerTo(method, url, read);
      if (answer === undefined && next !== undefined) {
        next();
        return;
      }
      const { status, headers, body } = answer ?? NOT_FOUND;
      response.writeHead(status, headers).end(body);
    },
    fetch({ method, url }) {
      const { pathname, search } = new URL(url);
      const { status, headers, body } = answerTo(method, pathname + search, read) ?? NOT_FOUND;
      return new Response(method === 'HEAD' ? null : body, { status, headers: { ...headers } });
    },
    follow(health) {
      const { state } = read();
      if (read() !== NOT_CREATED && state !== 'closed' && state !== 'failed') {
        const message = 'health: this handler answers for another app already; make one with healthHandler()';
        throw new ClstrError('INVALID_OPTION', message);
      }
      read = health;
    },
  });
}

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const NOT_CREATED: Health = {
  isReady: false,
  isLive: true,
  state: 'connecting',
  reasons: [healthReason('STARTING', 'the program has not called createApp or connectClient yet')],
  nodes: [],
  openBreakers: [],
  eventLoop: { worstMs: 0, overMs: 0 },
};

const NO_STORE = { 'cache-control': 'no-store' };
const AS_TEXT = { ...NO_STORE, 'content-type': 'text/plain; charset=utf-8' };
const AS_JSON = { ...NO_STORE, 'content-type': 'application/json' };
const NOT_FOUND: Answer = { status: 404, headers: AS_TEXT, body: 'not found\n' };
const NOT_ALLOWED: Answer = {
  status: 405,
  body: 'only GET and HEAD\n',
  headers: { ...AS_TEXT, allow: 'GET, HEAD' },
};

const IS_FINE: ReadonlyMap<string, (health: Health) => boolean> = new Map([
  ['/livez', ({ isLive }: Health) => isLive],
  ['/readyz', ({ isReady }: Health) => isReady],
  ['/healthz', ({ isReady }: Health) => isReady],
]);

/** Undefined for another path. */
function answerTo(method: string, url: string, read: () => Health): Answer | undefined {
  const [path = '', query = ''] = url.split('?', 2);
  const isFine = IS_FINE.get(path);
  if (isFine === undefined) return undefined;
  if (method !== 'GET' && method !== 'HEAD') return NOT_ALLOWED;
  const health = read();
  const status = isFine(health) ? 200 : 503;
  if (path === '/healthz' || new URLSearchParams(query).has('verbose')) {
    const json = JSON.stringify(health, undefined, 2);
    return { status, headers: AS_JSON, body: `${json}\n` };
  }
  const codes = health.reasons.map(({ code }) => code).join(' ');
  return {
    status,
    headers: AS_TEXT,
    body: `${[status === 200 ? 'ok' : 'failed', codes].join(' ').trim()}\n`,
  };
}
