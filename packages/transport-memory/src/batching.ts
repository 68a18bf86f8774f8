/**
 * Where a frame is closed although more entries wait. Entries of one frame share its buffer and its pieces of work on
 * the bus (measured with actors, 1,024 in flight and 64-byte payloads: 1.5 times the throughput of a frame for each
 * entry; 16 and 32 entries do less well, 64 to 256 alike).
 */
export const MAX_FRAME_ENTRIES = 128;

/** The same in bytes: a frame that outgrows the slab of its writer would be copied at every entry. */
export const PREFERRED_FRAME_BYTES = 16_384;
