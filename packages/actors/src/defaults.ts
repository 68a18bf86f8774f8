/** Default values of this package. */
export const defaults = {
  /** Handlers or actors kept per `keyHandler`, or per actor type and node. */
  cacheSize: 1_024,
  /** How long `close` of a keyed handler waits for what is in use, in milliseconds. */
  closeGraceMs: 2_000,
  /** Time without a message after which an actor passivates, in milliseconds. */
  idleMs: 60_000,
  /** Messages that may wait for one key. */
  mailbox: 1_024,
  /** Timers that one actor may have. */
  timers: 1_024,
  /** What happens to the state after a handler failed. */
  onError: 'keep',
  /** Longest time `passivate` and `discard` may take, in milliseconds. */
  passivateMs: 2_000,
  /** Pause before `setup` or a rejected `passivate` is tried again: doubled each time, between these two. */
  firstBackoffMs: 100,
  maxBackoffMs: 10_000,
} as const;
Object.freeze(defaults);
