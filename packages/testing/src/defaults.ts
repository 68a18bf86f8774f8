/** Default values of this package's options. */
export const defaults = {
  /** Nodes of a test cluster. */
  nodes: 3,
  /** How long a nats-server may take until it answers, in milliseconds. */
  startTimeoutMs: 10_000,
  /** Configurations that the search for a linear order tries per key. */
  maxConfigurations: 1_000_000,
  /** How long an answer of a fenced store is waited for, in milliseconds. */
  storeTimeoutMs: 5_000,
} as const;
Object.freeze(defaults);
