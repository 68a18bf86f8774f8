/** The parts of docs/operations.md that are made from the code, and the log messages that it quotes. */
import { HEALTH_REASONS } from '@clstr/app';
import { TIMINGS } from '@clstr/core';
import type { Timing } from '@clstr/core';
import { table } from './table.ts';

/** The document with its parts as they should be. `timingSource`: of core/membership/timing.ts. */
export function withOperationsParts(markdown: string, timingSource: string): string {
  return [
    ['<!-- timings -->\n\n', '\n\n<!-- /timings -->', renderTimings()],
    ['<!-- health -->\n\n', '\n\n<!-- /health -->', renderHealth()],
    ['<!-- rules -->\n\n', '\n\n<!-- /rules -->', renderRules(timingSource)],
  ].reduce((text, [start, end, part]) => replaceBetween(text, start!, end!, part!), markdown);
}

function replaceBetween(text: string, start: string, end: string, part: string): string {
  const from = text.indexOf(start) + start.length;
  const to = text.indexOf(end, from);
  if (from < start.length || to < 0) throw new Error(`docs/operations.md has no part ${start.trim()}`);
  return text.slice(0, from) + part + text.slice(to);
}

const MEANINGS: Readonly<Record<keyof Timing, string>> = {
  heartbeatMs: 'between two heartbeats',
  ackTimeoutMs: 'how long a node waits for one answer from the store',
  leaseMs: 'how long a heartbeat entitles its node to its shards',
  guardMs: 'how long before the end of its lease a node stops by itself',
  expiryMs: 'how long a heartbeat has to be missing before its node may be declared dead',
  slackMs: 'margin of the expiry for delays of the watch and the event loop',
  drainMs: 'how long handlers and `passivate` may take when a shard moves',
  stableMs: 'how long membership has to be unchanged before shards move for balance',
  listMs: 'between two full lists of the bucket',
  pingMs: "between two pings of the store's connection",
  dialMs: 'how long one attempt to connect to the store may take',
  maxMoving: 'how many shards of one node may be moving to others at a time',
};

function renderTimings(): string {
  const profiles = Object.values(TIMINGS);
  const row = (name: string, meaning: string, valueOf: (timing: Timing) => number): string[] => [
    name,
    ...profiles.map((timing) => valueOf(timing).toLocaleString('en-US')),
    meaning,
  ];
  const names = Object.keys(MEANINGS) as (keyof Timing)[];
  return table([
    ['timing', ...Object.keys(TIMINGS).map((name) => `\`${name}\``), 'meaning'],
    ...names.map((name) => row(`\`${name}\``, MEANINGS[name], (timing) => timing[name])),
    row(
      'serves alone',
      '`leaseMs - guardMs`: how long a node serves without the store',
      (t) => t.leaseMs - t.guardMs,
    ),
    row(
      'fail-over',
      '`expiryMs + heartbeatMs + 2 ackTimeoutMs`: from a crash until others serve its shards, at most',
      (t) => t.expiryMs + t.heartbeatMs + 2 * t.ackTimeoutMs,
    ),
  ]);
}

function renderHealth(): string {
  const reasons = Object.entries(HEALTH_REASONS);
  return table([
    ['code', 'effect', 'meaning', 'what to do'],
    ...reasons.map(([code, { effect, meaning, action }]) => [`\`${code}\``, effect, meaning, action]),
  ]);
}

function renderRules(timingSource: string): string {
  const rules = [...timingSource.matchAll(/^ {4}text: '(.*), (or .*)',$/gm)];
  return rules.map(([, rule, otherwise]) => `- \`${rule!}\`, ${otherwise!}`).join('\n');
}
