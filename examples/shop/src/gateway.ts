/** HTTP in front of the services: routes, and the status of each error. Every request may be sent again. */
import { isActorError } from '@clstr/actors';
import type { Client, HealthHandler, Logger } from '@clstr/app';
import { isClstrError } from '@clstr/core';
import type { ActorError, ErrorCode } from '@clstr/core';
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import { Cart } from './cart/contract.ts';
import { Inventory } from './inventory/contract.ts';
import { Order } from './order/contract.ts';

const id = { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' };
const count = { type: 'integer', minimum: 1, maximum: 1_000_000 };
const all = (properties: object): object => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
});
const schema = (params: object, body?: object): object => ({
  schema: { params: all(params), ...(body && { body: all(body) }) },
});

export function createGateway(client: Client, health: HealthHandler, logger: Logger): FastifyInstance {
  const gateway = Fastify();
  for (const path of ['/livez', '/readyz', '/healthz']) {
    gateway.get(path, (request, reply) => {
      reply.hijack();
      health.node(request.raw, reply.raw);
    });
  }
  gateway.put<{ Params: { sku: string }; Body: { total: number } }>(
    '/inventory/:sku',
    schema({ sku: id }, { total: count }),
    ({ params, body }) => Inventory.ref(client, params.sku).stock(body),
  );
  gateway.get<{ Params: { sku: string } }>('/inventory/:sku', schema({ sku: id }), ({ params }) =>
    Inventory.ref(client, params.sku).level(),
  );
  gateway.put<{ Params: { cartId: string; sku: string }; Body: { quantity: number } }>(
    '/carts/:cartId/items/:sku',
    schema({ cartId: id, sku: id }, { quantity: count }),
    ({ params: { cartId, sku }, body }) => Cart.ref(client, cartId).put({ sku, ...body }),
  );
  gateway.put<{ Params: { orderId: string }; Body: { cartId: string } }>(
    '/orders/:orderId',
    schema({ orderId: id }, { cartId: id }),
    ({ params, body }) => Order.ref(client, params.orderId).place(body),
  );
  gateway.get<{ Params: { orderId: string } }>('/orders/:orderId', schema({ orderId: id }), ({ params }) =>
    Order.ref(client, params.orderId).read(),
  );
  gateway.setErrorHandler((error, _request, reply) => {
    const status = statusOf(error);
    if (status === undefined) return reply.send(error); // Fastify's own, such as a body that does not fit its schema
    if (status >= 500) logger.warn({ err: error }, 'the shop could not answer');
    const { code, message, actorCode = code, details } = error as Partial<ActorError>;
    return reply.status(status).send({ code: actorCode, message, details });
  });
  return gateway;
}

function statusOf(error: unknown): number | undefined {
  if (isActorError(error, Order, 'NOT_FOUND')) return 404;
  if (isActorError(error, Order, 'CART_EMPTY')) return 422;
  if (!isClstrError(error)) return undefined;
  return STATUS[error.code] ?? (error.outcome === 'executed' ? 500 : 503);
}

const STATUS: Partial<Record<ErrorCode, number>> = {
  ACTOR_ERROR: 409, // what else the methods declare
  PAYLOAD_TOO_LARGE: 413,
  TIMEOUT: 504,
  HANDLER_TIMEOUT: 504,
  ENVELOPE_EXPIRED: 504,
};
