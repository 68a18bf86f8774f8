/** The transport contract over the memory bus. */
import { transportConformance } from '@clstr/conformance';
import { createMemoryBus, memoryTransport } from '@clstr/transport-memory';

transportConformance('memory', {
  async createBus({ clock }) {
    const bus = createMemoryBus({ clock });
    return { connect: async () => memoryTransport({ bus }) };
  },
  maxPayload: 1_048_576,
  largePayloadBytes: 900_000,
});
