/** Moleculer over NATS: two brokers, remote calls through its own registry and balancer. */
import { ServiceBroker } from 'moleculer';
import type { Contender, Site } from '../contender.ts';
import type { Payload } from '../payload.ts';
import { answer } from '../payload.ts';

export const moleculer: Contender = {
  name: 'moleculer',
  title: 'Moleculer 0.14',

  async startNode(site) {
    const broker = createBroker(site, 'node');
    broker.createService({
      name: 'bench',
      actions: { ask: (ctx: { params: Payload }) => answer(ctx.params) },
    });
    await broker.start();
    return { close: () => broker.stop() };
  },

  async startClient(site) {
    const broker = createBroker(site, 'client');
    await broker.start();
    await broker.waitForServices('bench', 10_000);
    return {
      // Moleculer has no keys: the balancer picks among the nodes of the service, here the only one.
      request: (_key, question) => broker.call<Payload, Payload>('bench.ask', question),
      close: () => broker.stop(),
    };
  },
};

/** Switches off everything that only costs time; JSON is the default serializer. */
function createBroker({ servers, prefix }: Site, nodeID: string): ServiceBroker {
  return new ServiceBroker({
    namespace: prefix,
    nodeID,
    transporter: { type: 'NATS', options: { servers, noAsyncTraces: true } },
    logger: false,
    validator: false,
    metrics: false,
    tracing: false,
    internalServices: false,
    skipProcessEventRegistration: true,
  });
}
