/** Each alert of docs/reference/alerts.yml, as promtool runs it: where it fires, and where it stays silent. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { hasPrometheus, promtool } from './prometheus-server.ts';

const FILE = join(import.meta.dirname, '../../docs/reference/alerts.yml');

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
}
const alerts = (parse(readFileSync(FILE, 'utf8')) as { groups: { rules: Alert[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);

/** Values of series, one per 15 s, as promtool spells them: `0+1x40` rises by 1 with each. */
type SeriesValues = Readonly<Record<string, string>>;

interface Case {
  /** When the alert has to fire; a quarter of a minute before its time is over it must not yet. */
  readonly at: string;
  readonly fires: SeriesValues;
  /** The nearest values at which it stays silent. */
  readonly silent: SeriesValues;
}

const HERE = 'job="shop",instance="one"';
const NODE = `${HERE},node_id="n1"`;
const requests = (perStep: number): SeriesValues => ({
  [`clstr_cluster_requests_total{${HERE},message_type="a",success="true"}`]: `0+${perStep}x80`,
});
/** One event after five steps, in a series that is there from the start, and none. */
const once = (series: string): Pick<Case, 'fires' | 'silent'> => ({
  fires: { [series]: '0x5 1x20' },
  silent: { [series]: '7x25' },
});
const events = (event: string): string => `clstr_cluster_node_events_total{${HERE},event="${event}"}`;
const wait = (le: string): string =>
  `clstr_actor_mailbox_wait_seconds_bucket{${HERE},message_type="a",le="${le}"}`;

const CASES: Readonly<Record<string, Case>> = {
  ClstrNodeNotServing: {
    at: '3m',
    fires: { [`clstr_cluster_node_serving{${NODE}}`]: '1x4 0x40' },
    silent: { [`clstr_cluster_node_serving{${NODE}}`]: '0x2 1x40' },
  },
  ClstrNodeLapsed: { at: '2m', ...once(events('lapsed')) },
  ClstrNodeFenced: { at: '2m', ...once(events('fenced')) },
  ClstrNodeUnreachable: { at: '2m', ...once(events('unreachable')) },
  ClstrStoreSilent: {
    at: '2m',
    fires: { [`clstr_cluster_store_trouble{${NODE}}`]: '0x4 1x40' },
    silent: { [`clstr_cluster_store_trouble{${NODE}}`]: '1x0 0x40' },
  },
  ClstrShardsUnowned: {
    at: '3m',
    fires: {
      [`clstr_cluster_shards_unowned{${NODE}}`]: '0x2 4x40',
      'clstr_cluster_shards_unowned{job="shop",instance="two",node_id="n2"}': '0x2 5x40',
    },
    // Only one of the nodes says so: it may not know the newest records.
    silent: {
      [`clstr_cluster_shards_unowned{${NODE}}`]: '4x40',
      'clstr_cluster_shards_unowned{job="shop",instance="two",node_id="n2"}': '0x40',
    },
  },
  ClstrShardsMissing: {
    at: '15m',
    fires: {
      [`clstr_cluster_shards_owned{${NODE}}`]: '8x4 7x80',
      [`clstr_cluster_shards_wanted{${NODE}}`]: '8x84',
    },
    silent: {
      [`clstr_cluster_shards_owned{${NODE}}`]: '7x20 8x80',
      [`clstr_cluster_shards_wanted{${NODE}}`]: '8x100',
    },
  },
  ClstrTransportErrors: {
    at: '10m',
    fires: {
      ...requests(1_000),
      [`clstr_cluster_transport_errors_total{${HERE},error_type="timeout"}`]: '0+11x80',
    },
    silent: {
      ...requests(1_000),
      [`clstr_cluster_transport_errors_total{${HERE},error_type="timeout"}`]: '0+9x80',
      [`clstr_cluster_transport_errors_total{${HERE},error_type="closed"}`]: '0+100x80',
    },
  },
  ClstrCallsRepeated: {
    at: '15m',
    fires: { ...requests(1_000), [`clstr_cluster_repeats_total{${HERE},reason="not_owner"}`]: '0+210x80' },
    silent: { ...requests(1_000), [`clstr_cluster_repeats_total{${HERE},reason="not_owner"}`]: '0+190x80' },
  },
  ClstrOverloaded: {
    at: '5m',
    fires: { [`clstr_cluster_refusals_total{${HERE},reason="overloaded"}`]: '0x4 1+1x40' },
    silent: {
      [`clstr_cluster_refusals_total{${HERE},reason="overloaded"}`]: '3x40',
      [`clstr_cluster_refusals_total{${HERE},reason="moved"}`]: '0+9x40',
    },
  },
  ClstrCriticalShed: {
    at: '5m',
    fires: { [`clstr_cluster_shed_total{${HERE},reason="bound",class="critical"}`]: '0x4 1+1x40' },
    silent: {
      [`clstr_cluster_shed_total{${HERE},reason="bound",class="critical"}`]: '3x40',
      [`clstr_cluster_shed_total{${HERE},reason="age",class="normal"}`]: '0+9x40',
    },
  },
  ClstrMailboxWaitLong: {
    at: '15m',
    fires: { [wait('1')]: '0+97x80', [wait('2.5')]: '0+100x80', [wait('+Inf')]: '0+100x80' },
    silent: { [wait('1')]: '0+100x80', [wait('2.5')]: '0+100x80', [wait('+Inf')]: '0+100x80' },
  },
  ClstrActorPanics: { at: '2m', ...once(`clstr_actor_panics_total{${HERE},message_type="a"}`) },
  ClstrTasksFailing: { at: '2m', ...once(`clstr_actor_scheduler_tasks_total{${HERE},success="false"}`) },
  ClstrConnectionLost: {
    at: '3m',
    fires: { [`clstr_transport_connections{${HERE},state="disconnected"}`]: '0x4 1x40' },
    silent: { [`clstr_transport_connections{${HERE},state="disconnected"}`]: '1x1 0x40' },
  },
  ClstrRepliesLost: { at: '2m', ...once(`clstr_transport_lost_replies_total{${HERE}}`) },
  ClstrEventLoopBlocked: {
    at: '2m',
    // One reading is enough, however seldom the rule is evaluated.
    fires: { [`clstr_event_loop_delay_seconds{${HERE},quantile="1"}`]: '0x4 0.6 0x20' },
    silent: {
      [`clstr_event_loop_delay_seconds{${HERE},quantile="1"}`]: '0.4x20',
      'clstr_event_loop_delay_seconds_sum{job="shop",instance="one"}': '900x20',
    },
  },
};

describe('the alerts', () => {
  test('have a case each, a severity that says whether somebody is woken, and a name of ours', () => {
    expect(Object.keys(CASES)).toEqual(alerts.map(({ alert }) => alert));
    for (const { alert, labels } of alerts) {
      expect(alert).toMatch(/^Clstr[A-Z]/);
      expect(['critical', 'warning']).toContain(labels.severity);
    }
  });
});

describe.skipIf(!hasPrometheus())('promtool', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'clstr-promtool-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs the alert over the series, and throws what promtool finds unless it has fired as often as `count` says. */
  const run = (alert: string, series: SeriesValues, at: string, count: number): void => {
    const file = join(folder, `${alert}-${count}.yml`);
    const expression = `count(ALERTS{alertname="${alert}",alertstate="firing"})`;
    const samples = count === 0 ? [] : [{ labels: '{}', value: count }];
    writeFileSync(
      file,
      stringify({
        rule_files: [FILE],
        evaluation_interval: '15s',
        tests: [
          {
            interval: '15s',
            input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
            promql_expr_test: [{ expr: expression, eval_time: at, exp_samples: samples }],
          },
        ],
      }),
    );
    promtool(['test', 'rules', file]);
  };

  test('finds nothing wrong with the rules', () => {
    expect(promtool(['check', 'rules', FILE])).toContain(`SUCCESS: ${alerts.length} rules found`);
  });

  test.each(Object.entries(CASES))(
    '%s fires where it should, and nowhere near',
    (alert, { at, fires, silent }) => {
      run(alert, fires, at, 1);
      run(alert, silent, at, 0);
    },
  );

  test.each(alerts.filter((rule) => rule.for !== undefined).map((rule) => [rule.alert, rule.for!]))(
    '%s waits for %s',
    (alert) => {
      const { fires } = CASES[alert]!;
      run(alert, fires, '15s', 0);
    },
  );
});
