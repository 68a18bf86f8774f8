// One node of a cluster with metrics, which calls itself and the others, and makes a fault when its parent says so.
// Arguments: the URL of a nats-server, the name of the cluster, the id of the node.
import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { defineActor, notify, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { prometheusMetrics } from '@clstr/prometheus';
import { natsCluster } from '@clstr/transport-nats';

const [servers, name, nodeId] = process.argv.slice(2);

const Cart = defineActor('cart', {
  add: request(),
  hold: request(),
  crash: request(),
  setTimer: request(),
  seen: notify(),
});
const cart = Cart.implement({
  setup: () => ({ sum: 0 }),
  handlers: {
    add: (state, by) => (state.sum += by),
    hold: (_state, ms) => pause(ms),
    crash() {
      throw new Error('a bug');
    },
    setTimer(_state, _input, ctx) {
      ctx.after(0, () => {
        throw new Error('a bug in a timer');
      });
    },
    seen: () => undefined,
  },
});
/** An actor whose mailbox is full at once. */
const Narrow = defineActor('narrow', { hold: request() });
const narrow = Narrow.implement({
  setup: () => ({}),
  mailbox: 1,
  handlers: { hold: (_state, ms) => pause(ms) },
});

const metrics = prometheusMetrics();
const app = await createApp({
  cluster: natsCluster({ servers, name, numShards: 16, timing: 'fast' }),
  actors: [cart, narrow],
  nodeId,
  metrics,
  logger: false,
  client: { timeoutMs: 2_000, retry: 'aggressive', breaker: true, onNotifyFailed: () => undefined },
});
const page = createServer(async (_request, response) => {
  process.send('scraped');
  response.setHeader('content-type', metrics.contentType);
  response.end(await app.metrics());
});

/** Keys whose actors this process owns, so that what it does to them happens here. */
function ownKeys() {
  const keys = Array.from({ length: 200 }, (_, i) => `key-${i}`);
  return keys.filter((key) => app.node.owns(app.client.shardOf(key)));
}
const ignore = () => undefined;

const FAULTS = {
  panic: ([key]) => app.ref(Cart, key).crash().catch(ignore),
  failTask: ([key]) => app.ref(Cart, key).setTimer(),
  /** One call of each key runs, one waits, and the others are refused and sent again. */
  overload: (keys) => {
    for (const key of keys) {
      for (let i = 0; i < 4; i++) app.ref(Narrow, key).hold(1_500).catch(ignore);
    }
  },
  queue: ([key]) => {
    app.ref(Cart, key).hold(1_500).catch(ignore);
    for (let i = 0; i < 500; i++) app.ref(Cart, key).add(1).catch(ignore);
  },
  block: () => {
    const until = performance.now() + 900;
    while (performance.now() < until);
  },
  /** Handlers that end while their callers have no connection, and after their deadlines. */
  loseReply: (keys) => {
    for (const key of keys) {
      app.client.requestKey(key, 'cart.hold', 4_000, { timeoutMs: 5_000 }).catch(ignore);
    }
  },
};

async function load() {
  for (let i = 0; ; i++) {
    const key = `key-${i % 200}`;
    await app.ref(Cart, key).add(1).catch(ignore);
    await app.ref(Cart, key).seen().catch(ignore);
    await app.client.requestMany([Cart.call(key).add(1), Cart.call('key-0').add(1)]);
    await pause(20);
  }
}

process.on('message', (fault) => void FAULTS[fault](ownKeys()));
process.on('disconnect', () => process.exit(0));
page.listen(0, '127.0.0.1', () => process.send(`127.0.0.1:${page.address().port}`));
void load();
