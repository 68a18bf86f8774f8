/** The tables on the terminal. */
import Table from 'cli-table3';
import { contenderNamed } from './contenders/index.ts';
import type { HashingLine } from './hashing.ts';
import type { Spread } from './statistics.ts';
import type { SummaryLine } from './summary.ts';

export function formatSummary(lines: readonly SummaryLine[]): string {
  return formatTable(
    ['in flight', 'contender', 'requests/s', 'p50 ms', 'p99 ms', '× nc.request (q1..q3)', '× own batching'],
    lines.map((line, i) => [
      line.inFlight === lines[i - 1]?.inFlight ? '' : String(line.inFlight),
      contenderNamed(line.contender).title,
      Math.round(line.requestsPerSecond.median).toLocaleString('en'),
      line.p50Ms.median.toFixed(3),
      line.p99Ms.median.toFixed(3),
      formatRatio(line.timesRequest),
      formatRatio(line.timesBatch),
    ]),
    2,
  );
}

export function formatHashing(lines: readonly HashingLine[]): string {
  return formatTable(
    ['hashing and placement', 'median', 'q1..q3'],
    lines.map(({ what, unit, spread }) => {
      const digits = unit === 'ns' ? 0 : 1;
      const figure = (value: number): string => `${value.toFixed(digits)} ${unit}`;
      return [what, figure(spread.median), `${figure(spread.q1)}..${figure(spread.q3)}`];
    }),
    1,
  );
}

/** @param labels is how many columns on the left hold words; the others hold figures. */
function formatTable(head: string[], rows: string[][], labels: number): string {
  const table = new Table({
    head,
    colAligns: head.map((_, column) => (column < labels ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows);
  return table.toString();
}

function formatRatio(ratio: Spread | null): string {
  if (ratio === null) return '-';
  return `${ratio.median.toFixed(2)} (${ratio.q1.toFixed(2)}..${ratio.q3.toFixed(2)})`;
}
