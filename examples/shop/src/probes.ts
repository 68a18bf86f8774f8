/** `/livez` and `/readyz`, for Kubernetes. */
import type { FastifyInstance } from 'fastify';

export interface Probed {
  readonly isLive: boolean;
  readonly isReady: boolean;
}

export function addProbes(server: FastifyInstance, probe: () => Probed): void {
  server.get('/livez', (_request, reply) => reply.status(probe().isLive ? 200 : 503).send({}));
  server.get('/readyz', (_request, reply) => reply.status(probe().isReady ? 200 : 503).send({}));
}
