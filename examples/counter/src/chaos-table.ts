/**
 * The tables of `--chaos` and `--watch`: the shards of each node during the run, and the cost of each event at its end.
 */
import Table from 'cli-table3';
import { whole } from './report.ts';

export interface NodeRow {
  readonly id: string;
  /** Undefined if the process is gone. */
  readonly pid: number | undefined;
  readonly state: string;
  readonly shards: number;
  readonly repliesPerSecond: number;
}

export interface EventRow {
  readonly name: string;
  readonly moves: number;
  /** The longest time without a reply from some counter. */
  readonly gapMs: number;
  readonly calls: number;
  readonly failed: number;
}

export interface LiveTable {
  /** Reports an event that happens now. */
  announce(name: string): void;
  refresh(): void;
  stop(): void;
}

const REFRESH_MS = 500;

/** Redraws the table on a terminal; elsewhere prints a line for each event, and the table at the end. */
export function startLiveTable(output: NodeJS.WriteStream, render: () => string): LiveTable {
  if (!output.isTTY) {
    return {
      announce: (name) => void output.write(`event: ${name}\n`),
      refresh: () => void output.write(`${render()}\n`),
      stop: () => undefined,
    };
  }
  let lines = 0;
  const draw = (): void => {
    const text = `${render()}\n`;
    output.moveCursor(0, -lines);
    output.clearScreenDown();
    output.write(text);
    lines = text.split('\n').length - 1;
  };
  draw();
  const timer = setInterval(draw, REFRESH_MS);
  return { announce: draw, refresh: draw, stop: () => clearInterval(timer) };
}

export function nodeTable(rows: readonly NodeRow[], event: string): string {
  const table = tableOf([event, 'pid', 'process', 'shards', 'replies/s']);
  for (const { id, pid, state, shards, repliesPerSecond } of rows) {
    table.push([id, pid ?? '-', state, whole(shards), whole(repliesPerSecond)]);
  }
  return table.toString();
}

export function eventTable(rows: readonly EventRow[]): string {
  const table = tableOf(['event', 'take-overs', 'longest gap ms', 'calls', 'failed']);
  for (const { name, moves, gapMs, calls, failed } of rows) {
    table.push([name, ...[moves, gapMs, calls, failed].map(whole)]);
  }
  return table.toString();
}

function tableOf(head: string[]): Table.Table {
  return new Table({
    head,
    colAligns: head.map((_, column) => (column === 0 ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
  });
}
