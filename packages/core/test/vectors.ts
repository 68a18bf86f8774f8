/** Vectors shared by all packages: printed by the Go implementation, or written by hand for the native wire. */
import { readFileSync } from 'node:fs';

export interface GoVectors {
  readonly shardFromString: readonly { key: string; numShards: number; seed: string; shard: number }[];
  readonly shardsForNode: readonly {
    nodeIds: string[];
    numShards: number;
    seed: string;
    owners: Record<string, number[]>;
  }[];
}

export interface FrameVector {
  readonly name: string;
  readonly hex: string;
  readonly result: string;
  /** Whether the writer makes exactly these bytes; the others are read only. */
  readonly isWritten: boolean;
  readonly decoded: readonly Record<string, unknown>[];
}

export function goVectors(): GoVectors {
  return read('clstr-go.json') as GoVectors;
}

/** Without `isFinal`, which is written and not read. */
export function frameVectors(): readonly FrameVector[] {
  return (read('frames-v1.json') as FrameVector[]).map((vector) => ({
    ...vector,
    decoded: vector.decoded.map(({ isFinal: _isFinal, ...entry }) => entry),
  }));
}

function read(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}`, import.meta.url), 'utf8'));
}
