/** Default values of this package; the comments of the options say what they are for. */
export const defaults = {
  numShards: 1024,
  seed: '',
  requestTimeoutMs: 5_000,
  handlerTimeoutMs: 30_000,
  maxInFlight: 16_384,
  maxInFlightBytes: 67_108_864,
  sheddingTargetMs: 20,
  sheddingIntervalMs: 100,
  idempotencyKeysPerShard: 10_000,
  idempotencyKeepMs: 120_000,
  idempotencyBytes: 67_108_864,
  drainGraceMs: 10_000,
  maxKeyBytes: 1_024,
  maxPending: 65_536,
  ownerWaitMs: 10_000,
  routing: 'auto',
  route: 'hybrid',
} as const;
Object.freeze(defaults);
