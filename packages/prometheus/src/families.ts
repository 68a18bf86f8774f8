/** Every metric of this package: its name, what it means, and where its samples come from. */
import type {
  BreakerState,
  KeyedRepeat,
  NodeEventType,
  RetryDenial,
  ShedReason,
  TransportErrorKind,
  WatchedNode,
} from '@clstr/core';
import type { ByLabel } from './by-label.ts';
import { Shed } from './counted.ts';
import type { Count, Counted } from './counted.ts';
import type { EventLoopDelay } from './event-loop.ts';
import type { FamilyOptions, Labels, Sample } from './family.ts';
import { endsOf } from './timed.ts';

/** Those that are there from the start, so that the first of them is an increase. */
const TRANSPORT_ERRORS: readonly TransportErrorKind[] = ['no_subscriber', 'timeout', 'ttl_expired', 'closed'];
const REFUSALS = ['overloaded', 'envelope_expired', 'not_owner', 'moved', 'draining', 'unknown_type'];
const SHED: readonly ShedReason[] = ['expired', 'deadline', 'age', 'bound'];
const REPEATS = ['no_subscriber', 'overloaded', 'not_owner', 'moved', 'draining', 'connection_lost'];
const RETRY_DENIALS: readonly RetryDenial[] = ['policy', 'deadline', 'budget', 'nested'];
const BREAKER_STATES: readonly BreakerState[] = ['open', 'half-open', 'closed'];
const KEYED_REPEATS: readonly KeyedRepeat[] = ['replayed', 'joined', 'reused', 'lost'];
const MOVES: readonly NodeEventType[] = ['acquired', 'released', 'lost'];
const NODE_EVENTS: readonly NodeEventType[] = ['joined', 'lapsed', 'fenced', 'unreachable', 'reachable'];

type Samples = FamilyOptions['samples'];

const counter = (name: string, help: string, samples: Samples): FamilyOptions => ({
  name,
  help,
  samples,
  type: 'counter',
});
const histogram = (name: string, help: string, samples: Samples): FamilyOptions => ({
  name,
  help,
  samples,
  type: 'histogram',
});
const gauge = (name: string, help: string, samples: Samples): FamilyOptions => ({
  name,
  help,
  samples,
  type: 'gauge',
});

export function familiesOf(counted: Counted, eventLoopDelay: EventLoopDelay): readonly FamilyOptions[] {
  return [
    ...clientFamilies(counted),
    ...handlerFamilies(counted),
    ...nodeFamilies(counted),
    ...actorFamilies(counted),
    ...processFamilies(counted, eventLoopDelay),
  ];
}

function clientFamilies(counted: Counted): readonly FamilyOptions[] {
  const { requests, notifies, transportErrors, repeats, retriesDenied } = counted;
  const { lists, breakerChanges, clients } = counted;
  return [
    histogram('clstr_cluster_request_duration_seconds', 'How long requests took, at their clients.', (name) =>
      perType(requests, ({ durations }, labels) => durations.samples(name, labels)),
    ),
    counter('clstr_cluster_requests_total', 'Requests that ended, at their clients.', () =>
      perType(requests, (one, labels) => one.ends(labels)),
    ),
    counter(
      'clstr_cluster_notifies_total',
      'Notifies that clients handed to the bus, and those that failed before or after that.',
      () => perType(notifies, ({ count, failed }, labels) => endsOf(count, failed, labels)),
    ),
    counter(
      'clstr_cluster_transport_errors_total',
      'Messages that reached no handler in time, or whose reply did not come back in time.',
      () => counts(transportErrors, 'error_type', TRANSPORT_ERRORS),
    ),
    counter('clstr_cluster_repeats_total', 'Calls sent again, by the error of the attempt before.', () =>
      counts(repeats, 'reason', REPEATS),
    ),
    counter(
      'clstr_cluster_retries_denied_total',
      'Failed calls that were not repeated although they could be.',
      () => counts(retriesDenied, 'reason', RETRY_DENIALS, RETRY_DENIALS),
    ),
    {
      ...gauge(
        'clstr_cluster_retries_left',
        'Repeats that the budget of a client allows at the moment; the least of all.',
        () => clients.retriesLeft(),
      ),
      aggregator: 'min',
    },
    histogram(
      'clstr_cluster_list_calls',
      'Calls that clients made at once, by the method.',
      function* (name) {
        for (const [method, sizes] of Object.entries(lists)) yield* sizes.samples(name, { method });
      },
    ),
    counter(
      'clstr_cluster_breaker_changes_total',
      'Changes of the breakers of clients, by their new state.',
      () => counts(breakerChanges, 'state', BREAKER_STATES, BREAKER_STATES),
    ),
    gauge('clstr_cluster_breakers_open', 'Nodes to which clients send nothing, or only probes.', () =>
      clients.openBreakers(),
    ),
  ];
}

function handlerFamilies({
  handlers,
  refusals,
  shed,
  keyedRepeats,
  nodes,
}: Counted): readonly FamilyOptions[] {
  return [
    histogram(
      'clstr_cluster_handler_duration_seconds',
      'How long messages took at their nodes, from acceptance to end, the wait in a mailbox included.',
      (name) => perType(handlers, ({ durations }, labels) => durations.samples(name, labels)),
    ),
    counter('clstr_cluster_handlers_total', 'Messages that nodes had accepted and that ended.', () =>
      perType(handlers, (one, labels) => one.ends(labels)),
    ),
    counter('clstr_cluster_refusals_total', 'Messages that nodes refused before a handler ran.', () =>
      counts(refusals, 'reason', REFUSALS),
    ),
    counter('clstr_cluster_shed_total', 'Messages that nodes refused for want of time or room.', () =>
      shedSamples(shed),
    ),
    gauge('clstr_cluster_node_shedding', 'Whether the node refuses calls, critical ones last: 1 or 0.', () =>
      nodes.samples(({ isShedding }) => (isShedding ? 1 : 0), Math.max),
    ),
    counter(
      'clstr_cluster_keyed_repeats_total',
      'Calls with an idempotency key that did not run, because they may have run before.',
      () => counts(keyedRepeats, 'answer', KEYED_REPEATS),
    ),
    gauge('clstr_cluster_handlers_active', 'Messages that are accepted and not yet answered.', () =>
      nodes.samples(({ inFlight }) => inFlight),
    ),
  ];
}

function nodeFamilies({ nodes, nodeEvents }: Counted): readonly FamilyOptions[] {
  const ownedBy = (node: WatchedNode): number => (node.state === 'created' ? 0 : node.shards().length);
  return [
    gauge('clstr_cluster_node_serving', 'Whether the node admits messages, and they reach it: 1 or 0.', () =>
      nodes.samples(({ state }) => (state === 'serving' ? 1 : 0), Math.min),
    ),
    gauge('clstr_cluster_shards_owned', 'Shards that the node owns.', () => nodes.samples(ownedBy)),
    gauge('clstr_cluster_shards_wanted', 'Shards that the node should own.', () =>
      nodes.samples(({ wanted }) => wanted),
    ),
    gauge('clstr_cluster_shards_unowned', 'Shards that no node owns, as far as this one knows.', () =>
      nodes.samples(({ unowned }) => unowned),
    ),
    {
      ...gauge(
        'clstr_cluster_lease_margin_seconds',
        'How long the lease lasts without another heartbeat.',
        () =>
          nodes.samples(
            ({ leaseMarginMs }) => (leaseMarginMs === undefined ? undefined : leaseMarginMs / 1_000),
            Math.min,
          ),
      ),
      aggregator: 'min',
    },
    gauge('clstr_cluster_store_trouble', 'Whether the membership store does not answer: 1 or 0.', () =>
      nodes.samples(({ storeTrouble }) => (storeTrouble === undefined ? 0 : 1), Math.max),
    ),
    counter(
      'clstr_cluster_shard_moves_total',
      'Shards that nodes acquired, released as planned, or lost.',
      () => counts(nodeEvents, 'kind', MOVES, MOVES),
    ),
    counter(
      'clstr_cluster_node_events_total',
      'Changes of nodes: lapsed, fenced, unreachable and others.',
      () => counts(nodeEvents, 'event', NODE_EVENTS, NODE_EVENTS),
    ),
  ];
}

function actorFamilies({ handlers, panics, actors, tasks }: Counted): readonly FamilyOptions[] {
  return [
    histogram('clstr_actor_message_duration_seconds', 'How long the turns of messages took.', (name) =>
      perType(handlers, (one, labels) => (one.isOfActor ? one.turns.samples(name, labels) : [])),
    ),
    histogram('clstr_actor_mailbox_wait_seconds', 'How long messages waited for their turn.', (name) =>
      perType(handlers, (one, labels) => (one.isOfActor ? one.waits.samples(name, labels) : [])),
    ),
    counter('clstr_actor_messages_total', 'Turns of messages that ended.', () =>
      perType(handlers, (one, labels) => (one.isOfActor ? one.turnEnds(labels) : [])),
    ),
    counter('clstr_actor_panics_total', 'Errors of no declared kind that the code of actors threw.', () =>
      counts(panics, 'message_type'),
    ),
    gauge('clstr_actor_mailbox_depth', 'Messages and timers that wait for their turn.', () => [
      actors.sum(({ mailboxDepth }) => mailboxDepth),
    ]),
    gauge('clstr_actor_active', 'Actors in memory.', () => [
      actors.sum(({ active }) => [...active().values()].reduce((sum, count) => sum + count, 0)),
    ]),
    gauge('clstr_actor_activations', 'Actors in memory, by the name of their contract.', () =>
      [...actors.active()].map(([actor, value]) => ({ labels: { actor }, value })),
    ),
    gauge(
      'clstr_actor_scheduler_inflight',
      'Setups, timers and other code without a caller that runs now.',
      () => [actors.sum(({ tasksInFlight }) => tasksInFlight)],
    ),
    histogram('clstr_actor_scheduler_task_duration_seconds', 'How long code without a caller took.', (name) =>
      tasks.durations.samples(name, {}),
    ),
    counter('clstr_actor_scheduler_tasks_total', 'Runs of code without a caller that ended.', () =>
      tasks.ends({}),
    ),
  ];
}

function processFamilies({ transports }: Counted, eventLoopDelay: EventLoopDelay): readonly FamilyOptions[] {
  return [
    gauge('clstr_transport_connections', 'Connections to the bus, by their state.', () =>
      transports.connections(),
    ),
    counter('clstr_transport_lost_replies_total', 'Replies that did not leave their process.', () => [
      { labels: {}, value: transports.lostReplies },
    ]),
    histogram(
      'clstr_transport_batch_entries',
      'Requests, notifies and replies per message of the bus.',
      (name) => transports.batchSizes(name),
    ),
    {
      name: 'clstr_event_loop_delay_seconds',
      help: 'How late the event loop runs timers; the quantiles since the last reading.',
      type: 'summary',
      samples: (name) => eventLoopDelay.samples(name),
    },
  ];
}

function* perType<T>(
  all: ByLabel<T>,
  samples: (one: T, labels: Labels) => Iterable<Sample>,
): Iterable<Sample> {
  for (const [type, one] of all) yield* samples(one, { message_type: type });
}

function* shedSamples(shed: ByLabel<Shed>): Iterable<Sample> {
  const counts = new Map<string, Shed>(SHED.map((reason) => [reason, new Shed()]));
  for (const [reason, count] of shed) counts.set(reason, count);
  for (const [reason, { critical, normal }] of counts) {
    yield { labels: { reason, class: 'critical' }, value: critical };
    yield { labels: { reason, class: 'normal' }, value: normal };
  }
}

/** `known` values are there from the start; without `only`, all others too. */
function* counts(
  all: ByLabel<Count>,
  label: string,
  known: readonly string[] = [],
  only?: readonly string[],
): Iterable<Sample> {
  const values = new Map(known.map((value) => [value, 0]));
  for (const [value, { count }] of all) if (only?.includes(value) ?? true) values.set(value, count);
  for (const [value, count] of values) yield { labels: { [label]: value }, value: count };
}
