/**
 * The program of a child process: one side of one contender, which gets its orders over IPC.
 * Arguments: 'node' or 'client', the contender's name, its site as JSON, the number of the process.
 */
import type { ClientSide, Side, Site } from './contender.ts';
import { contenderNamed } from './contenders/index.ts';
import type { Load, Measurement } from './load.ts';
import { measure } from './load.ts';
import { checkPayloadSize } from './payload.ts';

export type Order = { kind: 'measure'; load: Load } | { kind: 'close' };
export type Report =
  { kind: 'ready' } | { kind: 'measured'; measurement: Measurement } | { kind: 'failed'; reason: string };

const [role, name, site, number] = process.argv.slice(2) as ['node' | 'client', string, string, string];

// Ctrl-C reaches the whole process group; the parent decides, and without it there is nothing to do.
process.on('SIGINT', () => undefined);
process.on('disconnect', () => process.exit(0));
process.on('uncaughtException', fail);

await run().catch(fail);

async function run(): Promise<void> {
  checkPayloadSize();
  const contender = contenderNamed(name);
  const place = JSON.parse(site) as Site;
  if (role === 'client') {
    const client = await contender.startClient(place);
    obey(client, async (load) => report({ kind: 'measured', measurement: await measure(client, load) }));
  } else {
    obey(await contender.startNode!(place, Number(number)));
  }
  report({ kind: 'ready' });
}

function obey(side: Side | ClientSide, onMeasure?: (load: Load) => Promise<void>): void {
  process.on('message', (order: Order) => {
    if (order.kind === 'measure') {
      onMeasure?.(order.load).catch(fail);
    } else {
      side.close().then(() => process.exit(0), fail);
    }
  });
}

function report(message: Report): void {
  process.send?.(message);
}

function fail(error: unknown): void {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.send?.({ kind: 'failed', reason } satisfies Report, () => process.exit(1));
}
