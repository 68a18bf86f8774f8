/** The table that the program prints at the end. */
import type { BankResult } from './bank.ts';
import type { Receipt } from './contracts.ts';

export function isConserved({ centsBefore, centsAfter, unsettled }: BankResult): boolean {
  return centsBefore === centsAfter && unsettled === 0;
}

export function formatResult(result: BankResult): string {
  const { receipts, unsettled, centsBefore, centsAfter, seconds } = result;
  const total = receipts.length + unsettled;
  const rows: [string, string, string?][] = [
    ['transfers', whole(total)],
    ['  done', ...count(receipts, 'done')],
    ['  refused', ...count(receipts, 'refused')],
    ['  compensated', ...count(receipts, 'compensated')],
    ['  unsettled', whole(unsettled)],
    ['transfers/s', whole(total / seconds)],
    ['money before', money(centsBefore)],
    ['money after', money(centsAfter)],
  ];
  const lines = rows.map(([name, value, why = '']) =>
    `${name.padEnd(14)}${value.padStart(14)}  ${why}`.trimEnd(),
  );
  return [...lines, verdict(result)].join('\n');
}

function count(receipts: readonly Receipt[], outcome: Receipt['outcome']): [string, string] {
  const reasons = new Map<string, number>();
  const found = receipts.filter((receipt) => receipt.outcome === outcome);
  for (const { reason } of found) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  reasons.delete('');
  return [whole(found.length), [...reasons].map(([reason, times]) => `${reason} ${times}`).join(', ')];
}

function verdict(result: BankResult): string {
  if (isConserved(result)) return 'conserved: not a cent was lost or made';
  const missing = result.centsAfter - result.centsBefore;
  return `NOT conserved: ${missing > 0 ? '+' : ''}${money(missing)}, ${result.unsettled} transfers unsettled`;
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function money(cents: number): string {
  return (cents / 100).toLocaleString('en', { minimumFractionDigits: 2 });
}
