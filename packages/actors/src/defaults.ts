/** Default values of this package, as the comments of the options explain them, and limits that no option changes. */
export const defaults = {
  cacheSize: 1_024,
  closeGraceMs: 2_000,
  idleMs: 60_000,
  mailbox: 1_024,
  onError: 'keep',
  /** Timers that one actor may have. */
  timers: 1_024,
  /** Longest time `passivate` and `discard` may take, in milliseconds. */
  passivateMs: 2_000,
  /** First pause before `setup` or a rejected `passivate` is tried again, in milliseconds; it doubles each time. */
  firstBackoffMs: 100,
  /** Longest such pause, in milliseconds. */
  maxBackoffMs: 10_000,
} as const;
Object.freeze(defaults);
