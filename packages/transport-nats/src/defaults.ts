/** Default values of this package. */
export const defaults = {
  servers: '127.0.0.1:4222',
  cluster: 'clstr',
  inboxPrefix: '_INBOX',
  wire: 'native',
  serverWaitMs: 30_000,
  connectTimeoutMs: 2_000,
  reconnectWaitMs: 250,
  pingIntervalMs: 2_000,
  maxWaiting: 16_384,
  maxWaitingBytes: 67_108_864,
} as const;
Object.freeze(defaults);
