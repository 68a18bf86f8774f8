/** The tables on the terminal. */
import Table from 'cli-table3';
import type { Comparison } from './comparisons.ts';
import { contenderNamed } from './contenders/index.ts';
import type { Figure } from './figure.ts';
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

export function formatComparisons(comparisons: readonly Comparison[]): string {
  const levels = comparisons[0]?.ratios.map(({ inFlight }) => `${inFlight} in flight`) ?? [];
  return formatTable(
    ['one ÷ another (q1..q3)', ...levels],
    comparisons.map(({ own, against, figure, ratios }) => [
      `${COMPARED[figure]}, ${contenderNamed(own).title} ÷ ${contenderNamed(against).title}`,
      ...ratios.map(({ ratio }) => formatRatio(ratio)),
    ]),
    1,
  );
}

const COMPARED: Record<Comparison['figure'], string> = {
  requestsPerSecond: 'requests/s',
  p50Ms: 'p50',
  cpuUs: 'CPU per request',
};

export function formatFigures(title: string, figures: readonly Figure[]): string {
  return formatTable(
    [title, 'median', 'q1..q3'],
    figures.map(({ what, unit, spread }) => {
      const figure = (value: number): string => formatFigure(value, unit);
      return [what, figure(spread.median), `${figure(spread.q1)}..${figure(spread.q3)}`];
    }),
    1,
  );
}

const DIGITS: Record<Figure['unit'], number> = { ns: 0, ms: 1, '/s': 0, bytes: 0, '×': 2 };

function formatFigure(value: number, unit: Figure['unit']): string {
  const digits = DIGITS[unit];
  const number = value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return unit === '/s' ? `${number}/s` : `${number} ${unit}`;
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
