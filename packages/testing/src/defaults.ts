/** Default values of this package; the comments of the options say what they are for. */
export const defaults = {
  nodes: 3,
  startTimeoutMs: 10_000,
  maxConfigurations: 1_000_000,
  storeTimeoutMs: 5_000,
} as const;
Object.freeze(defaults);
