/** The metrics of one moment, read from their text. */

export interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export class Reading {
  readonly atMs: number;
  readonly #families = new Map<string, Series[]>();

  constructor(text: string, atMs: number) {
    this.atMs = atMs;
    for (const [, name, labels, value] of text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)) {
      const series = { labels: labelsOf(labels ?? ''), value: Number(value) };
      this.#families.set(name!, [...(this.#families.get(name!) ?? []), series]);
    }
  }

  /** The series of a metric that have these labels. */
  series(name: string, labels: Readonly<Record<string, string>> = {}): readonly Series[] {
    const wanted = Object.entries(labels);
    const all = this.#families.get(name) ?? [];
    return all.filter((series) => wanted.every(([label, value]) => series.labels[label] === value));
  }

  sum(name: string, labels?: Readonly<Record<string, string>>): number {
    return this.series(name, labels).reduce((sum, { value }) => sum + value, 0);
  }

  /** The distinct values of a label. */
  values(name: string, label: string): readonly string[] {
    return [...new Set(this.series(name).flatMap(({ labels }) => labels[label] ?? []))];
  }
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(pairs.map(([, label, value]) => [label!, value!]));
}
