/** One figure beside the table of contenders: its name, its unit, and the spread of its runs. */
import type { Spread } from './statistics.ts';

export interface Figure {
  what: string;
  unit: 'ns' | 'ms' | '/s' | 'bytes' | '×';
  spread: Spread;
}
