/** `/livez` and `/readyz`, for Kubernetes. */
import type { FastifyInstance } from 'fastify';

export function addProbes(server: FastifyInstance, probe: () => { isLive: boolean; isReady: boolean }): void {
  server.get('/livez', (_request, reply) => reply.status(probe().isLive ? 200 : 503).send({}));
  server.get('/readyz', (_request, reply) => reply.status(probe().isReady ? 200 : 503).send({}));
}
