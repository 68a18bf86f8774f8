// A process with one node whose node handlers say which messages they ran: to the caller, and to the parent.
// Argument: `{ nodeId, servers, name }` as JSON. It drains on SIGTERM, and answers `hold` once the parent lets go.
import { defineActor, request } from '@clstr/actors';
import { createApp } from '@clstr/app';
import { natsCluster } from '@clstr/transport-nats';

const { nodeId, servers, name } = JSON.parse(process.argv[2]);

const Idle = defineActor('idle', { ping: request() });
const idle = Idle.implement({ setup: () => ({}), handlers: { ping: () => 'pong' } });

const letGo = new Promise((resolve) => process.on('message', ({ release }) => release && resolve()));
const ran = ({ type, payload }) => {
  process.send({ ran: `${type} ${payload}` });
  return nodeId;
};

await createApp({
  cluster: natsCluster({ servers, name, timing: 'fast' }),
  actors: [idle],
  nodeId,
  logger: false,
  onClose: () => process.disconnect(),
  node: {
    nodeHandlers: {
      ask: ran,
      tell: ran,
      hold: async (message) => {
        ran(message);
        await letGo;
        return nodeId;
      },
    },
  },
});
process.send({ isReady: true });
