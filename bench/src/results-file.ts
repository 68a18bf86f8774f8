/** Writes the JSON beside the table: every sample, and all that a comparison of two runs needs. */
import { mkdir, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { dirname } from 'node:path';
import type { Comparison } from './comparisons.ts';
import type { Figure } from './figure.ts';
import type { Options } from './options.ts';
import { PAYLOAD_BYTES } from './payload.ts';
import type { Sample } from './rounds.ts';
import type { SummaryLine } from './summary.ts';

export interface Results {
  options: Options;
  natsServerVersion: string;
  summary: readonly SummaryLine[];
  comparisons: readonly Comparison[];
  actors: readonly Figure[];
  hashing: readonly Figure[];
  samples: readonly Sample[];
}

export async function writeResults({ options, natsServerVersion, ...figures }: Results): Promise<void> {
  const { out, ...settings } = options;
  const machine = {
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
    natsServer: natsServerVersion,
  };
  const content = {
    at: new Date().toISOString(),
    machine,
    payloadBytes: PAYLOAD_BYTES,
    settings,
    ...figures,
  };
  await mkdir(dirname(out), { recursive: true });
  await writeFile(out, `${JSON.stringify(content, null, 2)}\n`);
}
