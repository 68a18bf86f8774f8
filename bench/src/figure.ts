/** One measured thing beside the table of contenders: its name, its unit, and how far its runs lie apart. */
import type { Spread } from './statistics.ts';

export interface Figure {
  what: string;
  unit: 'ns' | 'ms' | '/s' | 'bytes' | '×';
  spread: Spread;
}
