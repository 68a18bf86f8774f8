/**
 * Where a batch is closed although more entries wait. Below it each message costs more than it carries; above it the
 * two ends wait for each other instead of working at the same time (measured at 1,024 in flight and 64-byte payloads:
 * 195 k/s unbounded, 215 k/s at 64 KiB, 265 k/s from 16 to 32 KiB, 238 k/s at 4 KiB).
 */
export const PREFERRED_BATCH_BYTES = 24_576;
