/** A node must not give up its shards because its process is busy: an hour of load on loops that stand still. */
import type { Fault } from '@clstr/testing';
import { TIMINGS } from '@clstr/core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleSimulator } from './bundle.ts';
import type { Bundle } from './bundle.ts';
import { Pool } from './pool.ts';

const HOUR_MS = 3_600_000;
const { leaseMs } = TIMINGS.default;
const TIMEOUT_MS = 600_000;

let bundle: Bundle;
let pool: Pool;

beforeAll(async () => {
  bundle = await bundleSimulator();
  pool = new Pool(bundle);
});

afterAll(async () => {
  await pool.close();
  await bundle.remove();
});

test(
  'no shard moves in an hour in which every loop is blocked for half a lease, again and again',
  async () => {
    const faults: Fault[] = [];
    for (let atMs = 4 * leaseMs, node = 0; atMs < HOUR_MS; atMs += leaseMs, node++) {
      faults.push({ kind: 'pause', atMs, durationMs: leaseMs / 2, node, salt: node });
    }
    const { report } = await pool.run({ seed: 12, timing: 'default', spanMs: HOUR_MS, faults });
    expect(report.violations).toEqual([]);
    expect(report.virtualMs).toBeGreaterThan(HOUR_MS);
    expect({ unreachable: report.unreachable, leaseTerm: report.leaseTerm, fenced: report.fenced }).toEqual({
      unreachable: 0,
      leaseTerm: 0,
      fenced: 0,
    });
  },
  TIMEOUT_MS,
);
