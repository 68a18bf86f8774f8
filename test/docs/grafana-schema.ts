/** A dashboard of time series as Grafana declares it, in the form that JSON has. */
import type {
  Dashboard,
  Panel,
  RowPanel,
} from '@grafana/schema/dist/esm/raw/dashboard/x/Dashboard_types.gen';
import type { Options } from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

export type GrafanaDashboard = Json<Omit<Dashboard, 'panels'>> & {
  readonly panels: readonly (TimeSeriesPanel | Json<RowPanel>)[];
};

/** Grafana leaves open what the options of a panel and its queries are: that depends on the panel and on the source. */
type TimeSeriesPanel = Json<Omit<Panel, 'type' | 'options' | 'targets'>> & {
  readonly type: 'timeseries';
  /** It has defaults for all of them. */
  readonly options: Partly<Json<Options>>;
  readonly targets: readonly PrometheusQuery[];
};

interface PrometheusQuery {
  readonly refId: string;
  readonly datasource: { readonly type: string; readonly uid: string };
  readonly expr: string;
  readonly legendFormat: string;
}

/** Members of enums are texts there. */
type Json<T> = T extends string
  ? `${T}`
  : T extends readonly (infer Item)[]
    ? Json<Item>[]
    : T extends object
      ? { [Name in keyof T]: Json<T[Name]> }
      : T;

type Partly<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Name in keyof T]?: Partly<T[Name]> }
    : T;
