// Makes docs/reference/grafana-dashboard.json from the table below: run it after you change the table.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';

const FILE = path.join(path.dirname(import.meta.dirname), 'docs/reference/grafana-dashboard.json');

/** Rows of panels: title, unit, and `[expression, legend]` for each line. What `scoped` does is left out here. */
const ROWS = {
  Calls: [
    ['Requests per second', 'reqps', [per('message_type', 'clstr_cluster_requests_total')]],
    [
      'Failed requests per second',
      'reqps',
      [per('message_type', 'clstr_cluster_requests_total{success="false"}')],
    ],
    ['Request duration', 's', quantiles('clstr_cluster_request_duration_seconds')],
    [
      'Request duration, p99 by type',
      's',
      [quantileOf(0.99, 'message_type', 'clstr_cluster_request_duration_seconds')],
    ],
    ['Notifies per second', 'reqps', [per('success', 'clstr_cluster_notifies_total', 'success: ')]],
    ['Transport errors per second', 'ops', [per('error_type', 'clstr_cluster_transport_errors_total')]],
    ['Repeated calls per second', 'ops', [per('reason', 'clstr_cluster_repeats_total')]],
    ['Calls not repeated per second', 'ops', [per('reason', 'clstr_cluster_retries_denied_total')]],
    ['Lists of calls per second', 'ops', [per('method', 'clstr_cluster_list_calls_count')]],
    ['Calls per list, p99', 'short', [quantileOf(0.99, 'method', 'clstr_cluster_list_calls')]],
    ['Changes of breakers per second', 'ops', [per('state', 'clstr_cluster_breaker_changes_total')]],
    [
      'Nodes with an open breaker',
      'short',
      [['sum by (instance) (clstr_cluster_breakers_open)', '{{instance}}']],
    ],
    ['Retry budget', 'short', [['min by (instance) (clstr_cluster_retries_left)', '{{instance}}']]],
  ],
  Nodes: [
    ['Messages per second', 'reqps', [per('message_type', 'clstr_cluster_handlers_total')]],
    [
      'Failed messages per second',
      'reqps',
      [per('message_type', 'clstr_cluster_handlers_total{success="false"}')],
    ],
    [
      'From acceptance to end, p99',
      's',
      [quantileOf(0.99, 'message_type', 'clstr_cluster_handler_duration_seconds')],
    ],
    ['Messages in flight', 'short', [['sum by (node_id) (clstr_cluster_handlers_active)', '{{node_id}}']]],
    ['Refused messages per second', 'ops', [per('reason', 'clstr_cluster_refusals_total')]],
    [
      'Shed messages per second',
      'ops',
      [['sum by (reason, class) (rate(clstr_cluster_shed_total[rate]))', '{{reason}}, {{class}}']],
    ],
    ['Shedding', 'short', [['max by (node_id) (clstr_cluster_node_shedding)', '{{node_id}}']]],
    ['Repeats of idempotency keys per second', 'ops', [per('answer', 'clstr_cluster_keyed_repeats_total')]],
  ],
  Actors: [
    ['Turns per second', 'ops', [per('message_type', 'clstr_actor_messages_total')]],
    ['Turn, p99', 's', [quantileOf(0.99, 'message_type', 'clstr_actor_message_duration_seconds')]],
    ['Wait in mailboxes', 's', quantiles('clstr_actor_mailbox_wait_seconds')],
    ['Waiting messages', 'short', [['sum by (instance) (clstr_actor_mailbox_depth)', '{{instance}}']]],
    [
      'Actors in memory',
      'short',
      [
        ['sum by (actor) (clstr_actor_activations)', '{{actor}}'],
        ['sum(clstr_actor_active)', 'all'],
      ],
    ],
    ['Panics per second', 'ops', [per('message_type', 'clstr_actor_panics_total')]],
    ['Tasks per second', 'ops', [per('success', 'clstr_actor_scheduler_tasks_total', 'success: ')]],
    ['Tasks in flight', 'short', [['sum by (instance) (clstr_actor_scheduler_inflight)', '{{instance}}']]],
    ['Task duration', 's', quantiles('clstr_actor_scheduler_task_duration_seconds')],
  ],
  Cluster: [
    [
      'Shards by node',
      'short',
      [
        ['sum by (node_id) (clstr_cluster_shards_owned)', '{{node_id}}'],
        ['sum by (node_id) (clstr_cluster_shards_wanted)', '{{node_id}}, wanted'],
      ],
    ],
    ['Shards without an owner', 'short', [['min(clstr_cluster_shards_unowned)', 'unowned']]],
    ['Shard moves per second', 'ops', [per('kind', 'clstr_cluster_shard_moves_total')]],
    ['Events of nodes per second', 'ops', [per('event', 'clstr_cluster_node_events_total')]],
    ['Lease margin', 's', [['min by (node_id) (clstr_cluster_lease_margin_seconds)', '{{node_id}}']]],
    [
      'Nodes',
      'short',
      [
        ['sum(clstr_cluster_node_serving)', 'serving'],
        ['sum(clstr_cluster_store_trouble)', 'without the membership store'],
      ],
    ],
  ],
  Process: [
    ['Connections to the bus', 'short', [['sum by (state) (clstr_transport_connections)', '{{state}}']]],
    [
      'Entries per batch',
      'short',
      [
        [
          'sum(rate(clstr_transport_batch_entries_sum[rate])) / sum(rate(clstr_transport_batch_entries_count[rate]))',
          'mean',
        ],
        quantileOf(0.99, undefined, 'clstr_transport_batch_entries'),
      ],
    ],
    ['Lost replies per second', 'ops', [per('instance', 'clstr_transport_lost_replies_total')]],
    [
      'Event loop delay',
      's',
      [
        ['max by (instance) (clstr_event_loop_delay_seconds{quantile="0.99"})', '{{instance}}, p99'],
        [
          'sum by (instance) (rate(clstr_event_loop_delay_seconds_sum[rate])) / sum by (instance) (rate(clstr_event_loop_delay_seconds_count[rate]))',
          '{{instance}}, mean',
        ],
      ],
    ],
  ],
};

function per(label, series, prefix = '') {
  return [`sum by (${label}) (rate(${series}[rate]))`, `${prefix}{{${label}}}`];
}

function quantiles(histogram) {
  return [0.5, 0.99].map((quantile) => quantileOf(quantile, undefined, histogram));
}

function quantileOf(quantile, label, histogram) {
  const by = label === undefined ? 'le' : `le, ${label}`;
  const legend = label === undefined ? `p${quantile * 100}` : `{{${label}}}`;
  return [`histogram_quantile(${quantile}, sum by (${by}) (rate(${histogram}_bucket[rate])))`, legend];
}

/** Each series is one of the chosen programs, and a rate is over as long as Grafana says. */
function scoped(expression) {
  return expression
    .replaceAll(/\b(clstr_\w+)(?:\{([^}]*)\})?/g, (_, name, labels) => {
      return `${name}{${[labels, 'job=~"$job"', 'instance=~"$instance"'].filter(Boolean).join(',')}}`;
    })
    .replaceAll('[rate]', '[$__rate_interval]');
}

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const [WIDTH, HEIGHT, COLUMNS] = [8, 8, 3];

function variable(name, label) {
  return {
    name,
    label: name,
    type: 'query',
    datasource: DATASOURCE,
    refresh: 2,
    sort: 1,
    query: { query: `label_values(${label}, ${name})`, refId: name },
    multi: true,
    includeAll: true,
    allValue: '.*',
    current: { text: 'All', value: '$__all' },
  };
}

function panels() {
  const made = [];
  let y = 0;
  for (const [title, rows] of Object.entries(ROWS)) {
    made.push({
      id: made.length + 1,
      type: 'row',
      title,
      collapsed: false,
      panels: [],
      gridPos: at(0, y++, 24, 1),
    });
    for (const [index, [name, unit, lines]] of rows.entries()) {
      const column = index % COLUMNS;
      if (index > 0 && column === 0) y += HEIGHT;
      made.push({
        id: made.length + 1,
        type: 'timeseries',
        title: name,
        datasource: DATASOURCE,
        gridPos: at(column * WIDTH, y, WIDTH, HEIGHT),
        fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
        options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi' } },
        targets: lines.map(([expression, legendFormat], line) => ({
          refId: String.fromCharCode(65 + line),
          datasource: DATASOURCE,
          expr: scoped(expression),
          legendFormat,
        })),
      });
    }
    y += HEIGHT;
  }
  return made;
}

function at(x, y, w, h) {
  return { x, y, w, h };
}

export async function dashboardText() {
  const dashboard = {
    title: 'clstr',
    uid: 'clstr',
    tags: ['clstr'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    timezone: 'browser',
    annotations: { list: [] },
    templating: {
      list: [
        { name: 'datasource', label: 'data source', type: 'datasource', query: 'prometheus' },
        variable('job', 'clstr_actor_active'),
        variable('instance', 'clstr_actor_active{job=~"$job"}'),
      ],
    },
    panels: panels(),
  };
  return await format(JSON.stringify(dashboard), { ...(await resolveConfig(FILE)), filepath: FILE });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(FILE, await dashboardText());
