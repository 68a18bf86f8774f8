/** The order of play: every contender once per round; the first of one round is the last of the next. */
import type { Contestant } from './contestant.ts';
import type { Measurement } from './load.ts';
import type { Options } from './options.ts';

/** One contender in one round at one level; rounds are numbered through all starts. */
export interface Sample extends Measurement {
  contender: string;
  inFlight: number;
  round: number;
}

const WARM_UP_IN_FLIGHT = 256;

/**
 * One start's share of the rounds, at every level, after a warm-up.
 *
 * @param start counts from 0.
 * @param onProgress gets the name of the current part.
 */
export async function playRounds(
  contestants: readonly Contestant[],
  options: Options,
  start: number,
  signal: AbortSignal,
  onProgress: (text: string) => void,
): Promise<Sample[]> {
  for (const { contender, measure } of contestants) {
    onProgress(`warm-up, ${contender.title}`);
    signal.throwIfAborted();
    await measure({ inFlight: WARM_UP_IN_FLIGHT, seconds: options.warmUpSeconds });
  }

  const samples: Sample[] = [];
  const total = options.starts * options.rounds;
  for (const inFlight of options.inFlight) {
    for (let own = 0; own < options.rounds; own += 1) {
      const round = start * options.rounds + own;
      for (const { contender, measure } of rotated(contestants, round)) {
        onProgress(`${inFlight} in flight, round ${round + 1} of ${total}, ${contender.title}`);
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
