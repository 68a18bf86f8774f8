/** Renders docs/reference/metrics.md from what `@clstr/prometheus` exports, and reads names out of what uses it. */
import { prometheusMetrics } from '@clstr/prometheus';
import type { PrometheusMetrics } from '@clstr/prometheus';
import { table } from './table.ts';

export interface ExportedMetric {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  /** The names of its labels, without those that its type has. */
  readonly labels: readonly string[];
}

/** Every metric, as a registry has it once everything has happened once. */
export async function exportedMetrics(): Promise<readonly ExportedMetric[]> {
  await using metrics = prometheusMetrics();
  happenOnce(metrics as Required<PrometheusMetrics>);
  const found = await metrics.registry.getMetricsAsJSON();
  return found.map(({ name, help, type, values }) => {
    const labels = new Set((values as { labels: object }[]).flatMap((sample) => Object.keys(sample.labels)));
    return {
      name,
      help,
      type: String(type),
      labels: [...labels].filter((label) => label !== 'le' && label !== 'quantile'),
    };
  });
}

function happenOnce(metrics: Required<PrometheusMetrics>): void {
  const type = 'cart.add';
  metrics.watchClient({ service: 'default', retriesLeft: 100, openBreakers: 0, isClosed: false });
  metrics.watchNode({
    id: 'n1',
    state: 'serving',
    inFlight: 0,
    shards: () => [],
    wanted: 0,
    unowned: 0,
    leaseMarginMs: 0,
    storeTrouble: undefined,
    isShedding: false,
  });
  metrics.watchActors({
    types: [type],
    active: () => new Map([['cart', 1]]),
    mailboxDepth: 0,
    tasksInFlight: 0,
    isClosed: false,
  });
  metrics.requestEnded(type, true, 1);
  metrics.notifyEnded(type, true);
}

/** The whole document. */
export async function renderMetrics(): Promise<string> {
  const rows = (await exportedMetrics()).map(({ name, type, help, labels }) => [
    `\`${name}\``,
    type,
    labels.map((label) => `\`${label}\``).join(', '),
    unitOf(name),
    help.replace(/\.$/, ''),
    WHAT_TO_DO[name] ?? '',
  ]);
  return `${[
    '# Metrics',
    INTRODUCTION,
    table([['metric', 'type', 'labels', 'unit', 'meaning', 'what to do'], ...rows]),
    USES,
  ].join('\n\n')}\n`;
}

const INTRODUCTION = `What [\`prometheusMetrics()\`](../../packages/prometheus/README.md) exports. Made from the package, which a test holds equal
to this file: change the source, then run \`UPDATE_DOCS=1 npx vitest run test/docs.test.ts\`.

The buckets of durations reach from 0.25 ms to 10 s, those of batches and lists from 1 to 1,024. A \`message_type\` is one that a
handler declares or has run; all others count as \`other\`. A \`reason\` is an [error code](errors.md) in lower case. No label
is a key, a shard or a client.`;

const USES = `## A dashboard and alerts

[grafana-dashboard.json](grafana-dashboard.json) shows all of them: import it into Grafana. [alerts.yml](alerts.yml) is a
rule file for Prometheus, and [operations](../operations.md#alerts) says what to do about each of its alerts.

## Metrics of your own

Any object with some of the methods of [\`Metrics\`](../api/@clstr/core.md) may stand beside or in place of these, for a
page, a test or another system. What happens is reported as it happens; what is, such as the number of running handlers,
is read when you want it:

\`\`\`ts
import type { Metrics, WatchedNode } from '@clstr/core';

const nodes = new Set<WatchedNode>();

export const metrics: Metrics = {
  watchNode: (node) => nodes.add(node),
  panicked: (type) => console.error(\`the code for \${type} has a bug\`),
};

export function inFlight(): number {
  return [...nodes].reduce((sum, node) => sum + node.inFlight, 0);
}
\`\`\``;

function unitOf(name: string): string {
  if (name.endsWith('_seconds')) return 'seconds';
  return name.endsWith('_total') ? 'events' : 'number';
}

/** What an operator does when a value is not what it should be. */
const WHAT_TO_DO: Readonly<Record<string, string>> = {
  clstr_cluster_request_duration_seconds:
    'compare with the time at the nodes: the rest is the bus and the event loops',
  clstr_cluster_retries_denied_total:
    '`budget`: more fails than may be repeated, find out why; `deadline`: callers give too little time; `nested`: the caller of the repeated call repeats the whole',
  clstr_cluster_list_calls:
    'long lists of `requestMany` wait for room at the nodes; `gather` and `broadcast` make a call to each node',
  clstr_cluster_breaker_changes_total:
    '`open`: a node does not answer; look at it, and at the network in between',
  clstr_cluster_breakers_open: 'the log line `client.breaker_opened` names the node',
  clstr_cluster_retries_left: 'at 0 no failed call is repeated: find out what fails',
  clstr_cluster_requests_total:
    'look for transport errors first; errors that a handler declares count as failed too',
  clstr_cluster_notifies_total: 'pass `onNotifyFailed` to learn which failed',
  clstr_cluster_transport_errors_total:
    '`no_subscriber`: look for nodes; `timeout`: look for slow handlers or lost nodes',
  clstr_cluster_repeats_total: '`not_owner`, `moved`: shards move; `overloaded`: a bound is reached',
  clstr_cluster_handler_duration_seconds: 'compare with the turn and the wait of actors',
  clstr_cluster_handlers_total: 'read the log of the node: it names errors by an id',
  clstr_cluster_refusals_total: '`overloaded`: raise the bound that the error names, or add nodes',
  clstr_cluster_shed_total:
    '[overload](../operations.md#overload): `critical` should stay at 0; a `bound` names its option in the error',
  clstr_cluster_node_shedding: 'add nodes or make handlers faster; do not restart the process',
  clstr_cluster_keyed_repeats_total:
    '`lost`: owners crash, or the bounds of `idempotency` are too low; `reused`: a caller gives one key to two calls',
  clstr_cluster_handlers_active: 'near `maxInFlight`: handlers are too slow, or wait for something',
  clstr_cluster_node_serving: 'read the state in `app.health()`',
  clstr_cluster_shards_owned: 'compare with the shards wanted',
  clstr_cluster_shards_wanted: 'uneven: check the weights, and that all nodes are members',
  clstr_cluster_shards_unowned: 'for longer than a fail-over: look for nodes that cannot take shards',
  clstr_cluster_lease_margin_seconds: 'falls towards 0: check the store and the event loop',
  clstr_cluster_store_trouble: 'check nats-server, and the majority of its replicas',
  clstr_cluster_shard_moves_total: '`lost`: nodes lapse or die; many `released`: nodes come and go',
  clstr_cluster_node_events_total: '[events of a node](../operations.md#events-of-a-node)',
  clstr_actor_message_duration_seconds: 'make the handlers faster: each turn blocks its key',
  clstr_actor_mailbox_wait_seconds: 'look for hot keys and slow turns',
  clstr_actor_messages_total: 'read the log of the node',
  clstr_actor_panics_total: 'fix the code: the log has the error with its stack',
  clstr_actor_mailbox_depth: 'rises: messages come faster than turns end',
  clstr_actor_active: 'near `cacheSize` per type: actors are evicted and set up again',
  clstr_actor_activations: 'near `cacheSize`: raise it, if memory allows',
  clstr_actor_scheduler_inflight: 'rises: setups or timers wait for something',
  clstr_actor_scheduler_task_duration_seconds: 'slow setups delay the first message of each key',
  clstr_actor_scheduler_tasks_total: 'read the log: it names the actor and its key',
  clstr_transport_connections: '`disconnected`: check the server and the network',
  clstr_transport_lost_replies_total: 'callers gave up while the connection was down',
  clstr_transport_batch_entries: 'nothing: larger batches mean more load',
  clstr_event_loop_delay_seconds: 'look for blocking code, garbage collection and a busy machine',
};

/** The exported metrics that a text of expressions names, without the suffixes of their series. */
export function metricsIn(text: string): ReadonlySet<string> {
  const names = [...text.matchAll(/\bclstr_\w+/g)].map(([name]) => name.replace(/_(bucket|sum|count)$/, ''));
  return new Set(names);
}
