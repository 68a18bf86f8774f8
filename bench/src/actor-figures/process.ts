/** The program of a child process that measures one kind of actor figures. Arguments: the kind, and the runs of each. */
import type { Figure } from '../figure.ts';
import { checkPayloadSize } from '../payload.ts';
import { measureActivation } from './activation-rate.ts';
import { measureCostOfOptions } from './cost-of-options.ts';
import { measureHotKey } from './hot-key.ts';
import { measureIdleMemory } from './idle-memory.ts';

const MEASURES = {
  'activation-rate': measureActivation,
  'hot-key': measureHotKey,
  'idle-memory': measureIdleMemory,
  'cost-of-options': measureCostOfOptions,
};

export type ActorFigures = keyof typeof MEASURES;
export type Report = { kind: 'measured'; figures: Figure[] } | { kind: 'failed'; reason: string };

const [name, runs] = process.argv.slice(2) as [ActorFigures, string];

// Ctrl-C reaches the whole process group; the parent decides, and without it there is nothing to do.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));

try {
  checkPayloadSize();
  end({ kind: 'measured', figures: await MEASURES[name](Number(runs)) });
} catch (error) {
  end({
    kind: 'failed',
    reason: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
}

function end(report: Report): void {
  process.send?.(report, () => process.exit());
}
