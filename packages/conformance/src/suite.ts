/** Declares the behaviours of a contract as tests: each on a stage of its own, skipped only for a written reason. */
import { describe, it } from 'vitest';

/** A behaviour is one short story, but a busy machine may hold it up. */
const TIMEOUT_MS = 20_000;

export interface Closable {
  close(): Promise<void>;
}

/** Theme → sentence → its check, which throws when the sentence does not hold. */
export type Themes<S> = Readonly<Record<string, Readonly<Record<string, (stage: S) => Promise<void>>>>>;

export interface Suite<S extends Closable> {
  readonly title: string;
  readonly themes: Themes<S>;
  /** Sentence or theme → reason. */
  readonly skips: Readonly<Record<string, string>> | undefined;
  readonly createStage: () => S;
}

export function declareSuite<S extends Closable>({ title, themes, skips, createStage }: Suite<S>): void {
  const reasons = new Map(Object.entries(skips ?? {}));
  checkSkips(themes, reasons);
  describe(title, () => {
    for (const [theme, behaviours] of Object.entries(themes)) {
      describe(theme, () => {
        for (const [sentence, check] of Object.entries(behaviours)) {
          it(sentence, { timeout: TIMEOUT_MS }, async (context) => {
            const reason = reasons.get(sentence) ?? reasons.get(theme);
            if (reason !== undefined) context.skip(reason);
            await play(check, createStage());
          });
        }
      });
    }
  });
}

async function play<S extends Closable>(check: (stage: S) => Promise<void>, stage: S): Promise<void> {
  try {
    await check(stage);
  } catch (error) {
    await stage.close().catch(() => undefined); // the failed check is the news, not what it left behind
    throw error;
  }
  await stage.close();
}

function checkSkips<S>(themes: Themes<S>, reasons: ReadonlyMap<string, string>): void {
  const known = new Set(
    Object.entries(themes).flatMap(([theme, behaviours]) => [theme, ...Object.keys(behaviours)]),
  );
  for (const [name, reason] of reasons) {
    if (!known.has(name)) throw new Error(`no behaviour to skip: ${JSON.stringify(name)}`);
    if (reason.trim() === '') throw new Error(`a skip without a reason: ${JSON.stringify(name)}`);
  }
}
