/** The contract of a transport as a test suite: every transport runs the same behaviours, end to end. */
import { describe, it } from 'vitest';
import { aborts } from './aborts.ts';
import type { Behaviours } from './behaviour.ts';
import { deadlines } from './deadlines.ts';
import { endings } from './endings.ts';
import { failures } from './failures.ts';
import { headersAndTypes } from './headers-and-types.ts';
import { keys } from './keys.ts';
import { limits } from './limits.ts';
import { notifies } from './notifies.ts';
import { owners } from './owners.ts';
import { payloads } from './payloads.ts';
import { requests } from './requests.ts';
import { Stage } from './stage.ts';
import type { TransportUnderTest } from './transport-under-test.ts';

const THEMES: Readonly<Record<string, Behaviours>> = {
  payloads,
  keys,
  'headers and types': headersAndTypes,
  requests,
  owners,
  deadlines,
  'failing handlers': failures,
  aborts,
  notifies,
  limits,
  endings,
};

/** For the slowest behaviour on a busy machine; each takes a fraction of a second. */
const TIMEOUT_MS = 20_000;

/** Declares the suite for one transport. A skip must name a behaviour and say why it cannot hold. */
export function transportConformance(name: string, subject: TransportUnderTest): void {
  const skips = new Map(Object.entries(subject.skips ?? {}));
  checkSkips(skips);
  describe(`the ${name} transport`, () => {
    for (const [theme, behaviours] of Object.entries(THEMES)) {
      describe(theme, () => {
        for (const [sentence, check] of Object.entries(behaviours)) {
          it(sentence, { timeout: TIMEOUT_MS }, async (context) => {
            const reason = skips.get(sentence);
            if (reason !== undefined) context.skip(reason);
            await play(check, new Stage(subject));
          });
        }
      });
    }
  });
}

async function play(check: Behaviours[string], stage: Stage): Promise<void> {
  try {
    await check(stage);
  } catch (error) {
    await stage.close().catch(() => undefined); // the failed check is the news, not what it left behind
    throw error;
  }
  await stage.close();
}

function checkSkips(skips: ReadonlyMap<string, string>): void {
  const sentences = new Set(Object.values(THEMES).flatMap((behaviours) => Object.keys(behaviours)));
  for (const [sentence, reason] of skips) {
    if (!sentences.has(sentence)) throw new Error(`no behaviour to skip: ${JSON.stringify(sentence)}`);
    if (reason.trim() === '') throw new Error(`a skip without a reason: ${JSON.stringify(sentence)}`);
  }
}
