/** The order of play: every contender once per round, whoever began last time ends this one. */
import type { Contestant } from './contestant.ts';
import type { Measurement } from './load.ts';
import type { Options } from './options.ts';

/** One contender in one round at one level. */
export interface Sample extends Measurement {
  contender: string;
  inFlight: number;
  round: number;
}

const WARM_UP_IN_FLIGHT = 256;

/** @param onProgress is told what runs now. */
export async function playRounds(
  contestants: readonly Contestant[],
  options: Options,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<Sample[]> {
  for (const { contender, measure } of contestants) {
    onProgress(`warm-up, ${contender.title}`);
    signal.throwIfAborted();
    await measure({ inFlight: WARM_UP_IN_FLIGHT, seconds: options.warmUpSeconds });
  }

  const samples: Sample[] = [];
  for (const inFlight of options.inFlight) {
    for (let round = 0; round < options.rounds; round += 1) {
      for (const { contender, measure } of rotated(contestants, round)) {
        onProgress(`${inFlight} in flight, round ${round + 1} of ${options.rounds}, ${contender.title}`);
        signal.throwIfAborted();
        const measurement = await measure({ inFlight, seconds: options.seconds });
        samples.push({ contender: contender.name, inFlight, round, ...measurement });
      }
    }
  }
  return samples;
}

function rotated<T>(items: readonly T[], by: number): T[] {
  const at = by % items.length;
  return [...items.slice(at), ...items.slice(0, at)];
}
