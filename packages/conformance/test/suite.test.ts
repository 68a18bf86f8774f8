import { createMemoryBus, memoryStateStore, memoryTransport } from '@clstr/transport-memory';
import { expect, test } from 'vitest';
import { stateStoreConformance, transportConformance } from '../src/index.ts';

const subject = {
  async createBus() {
    const bus = createMemoryBus();
    return { connect: async () => memoryTransport({ bus }) };
  },
  maxPayload: 1_048_576,
  largePayloadBytes: 900_000,
};

test('refuses a skip of a behaviour that does not exist', () => {
  const declare = (): void => {
    transportConformance('any', { ...subject, skips: { 'flies to the moon': 'no rocket' } });
  };
  expect(declare).toThrow('no behaviour to skip: "flies to the moon"');
});

test('refuses a skip without a reason', () => {
  const declare = (): void => {
    transportConformance('any', { ...subject, skips: { 'carries a large text both ways': ' ' } });
  };
  expect(declare).toThrow('a skip without a reason: "carries a large text both ways"');
});

// Without faults each behaviour of the theme would fail: all of them are skipped.
const stores = memoryStateStore();
stateStoreConformance('memory', {
  connect: async (context) => ({ store: await stores.open(context) }),
  skips: { 'lost connections': 'this store gives no faults' },
});
