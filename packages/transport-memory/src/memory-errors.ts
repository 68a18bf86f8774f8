/** The errors that only a memory bus makes. */
import { ClstrError } from '@clstr/core';
import type { MemoryBus } from './memory-bus.ts';

export function payloadTooLarge(
  what: string,
  bytes: number,
  bus: MemoryBus,
  outcome: 'not-executed' | 'executed' = 'not-executed',
): ClstrError {
  const message = `the ${what} takes ${bytes} bytes, more than the ${bus.maxPayload} of the memory bus (maxPayload)`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message, {
    outcome,
    details: { bytes, maxPayload: bus.maxPayload },
  });
}

export function transportClosed(outcome: 'unknown' | 'not-executed'): ClstrError {
  return new ClstrError('TRANSPORT_CLOSED', 'the memory transport was closed', { outcome });
}
