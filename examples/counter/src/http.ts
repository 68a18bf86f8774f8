/** The HTTP server: `POST /counter/:id/increment` and `GET /counter/:id`, answered by the cluster. */
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import type { Client, ErrorCode } from '@clstr/core';
import { ClstrError, isClstrError } from '@clstr/core';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import type { ContentfulStatusCode } from 'hono/utils/http-status';
import { Counter } from './contract.ts';
import type { Increment } from './contract.ts';

export interface HttpFace {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Answers the requests that have arrived, and stops. */
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const MAX_BODY_BYTES = 1_024;
/** How long requests may still take when the server closes. */
const CLOSE_GRACE_MS = 5_000;

/**
 * @param port 0 for any free port.
 * @throws the system's error, e.g. with code `EADDRINUSE`.
 */
export async function startHttp(client: Client, port: number): Promise<HttpFace> {
  let isClosing = false;
  const app = counterApp(client, () => isClosing);
  const server = createAdaptorServer({ fetch: app.fetch }) as Server;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, HOST, resolve);
  });
  return {
    url: `http://${HOST}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        isClosing = true;
        const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
        server.close(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}

function counterApp(client: Client, isClosing: () => boolean): Hono {
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    // Otherwise a keep-alive connection would delay the end.
    if (isClosing()) c.header('connection', 'close');
  });
  const limit = bodyLimit({
    maxSize: MAX_BODY_BYTES,
    onError: (c) => c.json(problem('PAYLOAD_TOO_LARGE', `the body is over ${MAX_BODY_BYTES} bytes`), 413),
  });

  app.post('/counter/:id/increment', limit, async (c) => {
    const id = c.req.param('id');
    const increment = parseIncrement(await c.req.text());
    return c.json({ id, value: await Counter.ref(client, id).increment(increment) });
  });
  app.get('/counter/:id', async (c) => {
    const id = c.req.param('id');
    return c.json({ id, value: await Counter.ref(client, id).get() });
  });
  app.notFound((c) => c.json(problem('NOT_FOUND', `there is no ${c.req.method} ${c.req.path}`), 404));
  app.onError((error, c) => {
    if (!isClstrError(error)) {
      console.error(error);
      return c.json(problem('INTERNAL', 'an internal error occurred'), 500);
    }
    const { code, message, outcome } = error;
    // `outcome` shows the caller whether it is safe to try again.
    return c.json({ error: { code, message, outcome } }, STATUS[code] ?? 500);
  });
  return app;
}

/** Reads the body only; the counter validates the amount. @throws INVALID_ENVELOPE */
function parseIncrement(body: string): Increment {
  if (body.trim() === '') return { amount: 1 };
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new ClstrError('INVALID_ENVELOPE', 'the body is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ClstrError('INVALID_ENVELOPE', 'the body must be a JSON object, like {"amount":5}');
  }
  const { amount = 1 } = value as Partial<Increment>;
  return { amount };
}

function problem(code: string, message: string): { error: { code: string; message: string } } {
  return { error: { code, message } };
}

/** The status of each error code; others are 500, a fault of the cluster or its handlers. */
const STATUS: Partial<Record<ErrorCode, ContentfulStatusCode>> = {
  INVALID_ENVELOPE: 400,
  KEY_REQUIRED: 400,
  VALIDATION_FAILED: 400,
  PAYLOAD_TOO_LARGE: 413,
  NO_SUBSCRIBER: 503,
  NOT_OWNER: 503,
  MOVED: 503,
  OVERLOADED: 503,
  CIRCUIT_OPEN: 503,
  DRAINING: 503,
  CONNECTION_LOST: 503,
  TRANSPORT_CLOSED: 503,
  ABORTED: 503,
  TIMEOUT: 504,
  HANDLER_TIMEOUT: 504,
  ENVELOPE_EXPIRED: 504,
};
