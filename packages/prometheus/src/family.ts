/** One metric of a registry, whose samples are made from our own counters when somebody reads it. */
import type { Metric, Registry } from 'prom-client';

export type Labels = Readonly<Record<string, string | number>>;

export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  /** The name of the metric and a suffix such as `_bucket`. Default: the name of the metric. */
  readonly metricName?: string;
}

export interface FamilyOptions {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  /** How a primary process of `node:cluster` joins the values of its workers. Default: their sum. */
  readonly aggregator?: 'sum' | 'min' | 'max';
  readonly samples: (name: string) => Iterable<Sample>;
}

/**
 * Has what a registry asks of its metrics. The classes of prom-client look up the series of each value by its labels,
 * which takes longer than all else that is done for a message.
 */
export class Family {
  /** A registry of OpenMetrics changes it. */
  name: string;
  readonly help: string;
  readonly type: FamilyOptions['type'];
  readonly aggregator: string;
  readonly #samples: FamilyOptions['samples'];

  constructor({ name, help, type, aggregator = 'sum', samples }: FamilyOptions) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.aggregator = aggregator;
    this.#samples = samples;
  }

  async get(): Promise<object> {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: [...this.#samples(name)] };
  }

  /** Does nothing: the counters are those of the running parts. */
  reset(): void {
    /* the counters go on */
  }

  register(registry: Registry): void {
    registry.registerMetric(this as unknown as Metric);
  }

  /** Leaves another metric of the same name alone. */
  leave(registry: Registry): void {
    const { name } = this;
    if ((registry.getSingleMetric(name) as unknown) === this) registry.removeSingleMetric(name);
  }
}
