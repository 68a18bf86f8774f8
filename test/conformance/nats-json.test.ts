/** The transport contract over a real nats-server, JSON wire. */
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { transportConformance } from '@clstr/conformance';
import { natsTransport } from '@clstr/transport-nats';
import { afterAll, beforeAll, describe } from 'vitest';

const NO_ATTEMPTS = 'an envelope carries no attempt id';
const NO_CANCEL = 'the JSON wire has no cancel: the handler sees the deadline of its caller pass';
const NO_DIRECT = 'JSON messages go to shard subjects only, and their replies name no node';

describe.skipIf(!hasNatsServer())('over nats-server', () => {
  let server: Awaited<ReturnType<typeof startNatsServer>>;
  beforeAll(async () => {
    server = await startNatsServer();
  });
  afterAll(() => server.stop());

  let buses = 0;
  transportConformance('NATS JSON', {
    async createBus({ clock }) {
      const subjectPrefix = `bus-${++buses}`;
      return { connect: () => natsTransport({ servers: server.url, subjectPrefix, clock, wire: 'json' }) };
    },
    maxPayload: 1_048_576,
    largePayloadBytes: 700_000, // base64 makes it a third larger
    skips: {
      'runs an attempt once, however often it arrives': NO_ATTEMPTS,
      'fires the signal of the running handler when the caller aborts': NO_CANCEL,
      'fires only the signal of the request that was aborted': NO_CANCEL,
      'fires the signals of the handlers of a list that is aborted': NO_CANCEL,
      'fires the signals of nodes whose answers are not needed any more': NO_CANCEL,
      'names the run of the node that answers: the same in every reply, another after a restart': NO_DIRECT,
      'answers NOT_OWNER on its direct address for a shard that it does not serve': NO_DIRECT,
      'answers NO_SUBSCRIBER on the direct address of a run that has ended': NO_DIRECT,
      'answers DRAINING on its direct address while it drains, without calling the handler': NO_DIRECT,
    },
  });
});
