/** Default values of this package's options. */
export const defaults = {
  /** Nodes of a test cluster. */
  nodes: 3,
  /** How long a nats-server may take until it answers, in milliseconds. */
  startTimeoutMs: 10_000,
} as const;
Object.freeze(defaults);
