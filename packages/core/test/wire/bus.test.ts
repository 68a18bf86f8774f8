import { expect, test } from 'vitest';
import { payloadTooLarge } from '../../src/wire/bus.ts';
import type { Bus } from '../../src/wire/bus.ts';

test('a message that is too large names both sizes', () => {
  const bus = { maxPayload: 1_024, limitedBy: 'that the NATS server carries' } as Bus;
  expect(payloadTooLarge(bus, 'reply to "Get"', 2_000, 'executed')).toMatchObject({
    code: 'PAYLOAD_TOO_LARGE',
    outcome: 'executed',
    message: 'the reply to "Get" takes 2000 bytes, more than the 1024 that the NATS server carries',
    details: { bytes: 2_000, maxPayload: 1_024 },
  });
});
