/** Everything that can be wrong with an app, what it means for probes, and what an operator does about it. */

/**
 * `not-live`: the process has to be restarted. `not-ready`: calls should go elsewhere until it passes. `warning`: the app
 * works, and somebody should look.
 */
export type HealthEffect = 'not-live' | 'not-ready' | 'warning';

export interface HealthReasonInfo {
  readonly effect: HealthEffect;
  readonly meaning: string;
  readonly action: string;
}

/** The identity of a reason, for alarms: the text may change. */
export type HealthCode =
  | 'START_FAILED'
  | 'CLOSED'
  | 'PART_CLOSED'
  | 'DRAINING'
  | 'STARTING'
  | 'FENCED'
  | 'LAPSED'
  | 'CONNECTION_LOST'
  | 'UNREACHABLE'
  | 'STORE_AWAY'
  | 'REACH_DOUBTED'
  | 'UNOWNED_SHARDS'
  | 'SHARDS_MISSING'
  | 'NO_SHARDS'
  | 'CIRCUIT_OPEN'
  | 'SHEDDING'
  | 'STUCK_HANDLER'
  | 'SLOW_EVENT_LOOP';

/** Every reason that {@link Health} may give, the gravest first. */
export const HEALTH_REASONS: Readonly<Record<HealthCode, HealthReasonInfo>> = {
  START_FAILED: {
    effect: 'not-live',
    meaning: 'the app did not start',
    action: 'fix what the reason names, and start the process again',
  },
  CLOSED: {
    effect: 'not-live',
    meaning: 'the app has closed',
    action: 'the process should have ended: find out what keeps it alive, and restart it',
  },
  PART_CLOSED: {
    effect: 'not-live',
    meaning: 'something other than the app closed its connection or one of its nodes',
    action:
      'restart the process, because a closed part does not open again; close the app instead of its parts',
  },
  DRAINING: {
    effect: 'not-ready',
    meaning: 'the app, or one of its nodes, is closing',
    action: 'nothing: it ends once accepted messages are answered and its shards are handed over',
  },
  STARTING: {
    effect: 'not-ready',
    meaning: 'the app has not started yet',
    action: 'wait; if it lasts, check the servers that are named, and the log of this process',
  },
  FENCED: {
    effect: 'not-ready',
    meaning: 'the other nodes declared the node dead, or the bucket is gone; it joins again',
    action:
      'one node: find the pause that caused it; all nodes at once: the bucket was lost; if it lasts, read the log',
  },
  LAPSED: {
    effect: 'not-ready',
    meaning: 'no heartbeat was acknowledged for a lease, so the node refuses all messages',
    action:
      'all nodes at once: check nats-server, and with replicas the majority of JetStream; one node: its network, its CPU and blocking code; do not restart it, as it serves again with the next acknowledged heartbeat',
  },
  CONNECTION_LOST: {
    effect: 'not-ready',
    meaning: 'the connection that carries calls is down',
    action:
      'nothing here, it is re-established: check that the server runs and can be reached from this machine',
  },
  UNREACHABLE: {
    effect: 'not-ready',
    meaning: 'messages do not reach the node, or not all of its shards',
    action:
      'check its data connection, its permissions and the limits of its account; it takes shards again by itself',
  },
  STORE_AWAY: {
    effect: 'warning',
    meaning: 'the membership store does not answer; the node serves for the rest of its lease',
    action: 'check nats-server, and with replicas the majority of JetStream: at 0 ms the node stops serving',
  },
  REACH_DOUBTED: {
    effect: 'warning',
    meaning: 'the node has not received its own probes for a while',
    action: 'check its data connection: if it lasts, the node gives its shards to others',
  },
  UNOWNED_SHARDS: {
    effect: 'warning',
    meaning: 'some shards of the cluster have no owner, so calls to their keys wait or fail',
    action: 'wait for a fail-over; if it lasts, look for nodes that cannot take shards',
  },
  SHARDS_MISSING: {
    effect: 'warning',
    meaning: 'the node owns fewer shards than the placement gives it',
    action:
      'nothing during a deploy; if it lasts, look for handlers that block the hand-over on the other nodes',
  },
  NO_SHARDS: {
    effect: 'warning',
    meaning: 'the placement gives the node no shards, so it is idle',
    action: 'check numShards and the weights: with more nodes than shards some have none',
  },
  CIRCUIT_OPEN: {
    effect: 'warning',
    meaning: 'nodes have not answered the calls of the client lately, so it sends them none, or only a few',
    action:
      'look at the nodes that are named, and at the network between them and this process; the client tries them again by itself',
  },
  SHEDDING: {
    effect: 'warning',
    meaning: 'messages wait too long for the node, so it refuses calls, critical ones last',
    action:
      'add nodes or make handlers faster; it ends by itself once messages no longer wait: do not restart the process',
  },
  STUCK_HANDLER: {
    effect: 'warning',
    meaning: 'handlers have not ended although their time is over; each blocks its key',
    action:
      'the log names the keys: make the handlers stop waiting when ctx.signal fires; a restart frees the keys',
  },
  SLOW_EVENT_LOOP: {
    effect: 'warning',
    meaning: 'the process ran no code for a second or more within the last minute',
    action: 'look for blocking code, long garbage collections and a machine without free CPU',
  },
};

export interface HealthReason {
  readonly code: HealthCode;
  readonly effect: HealthEffect;
  /** What is wrong, with its values, and what to do; without keys of actors. */
  readonly text: string;
}

for (const info of Object.values(HEALTH_REASONS)) Object.freeze(info);
Object.freeze(HEALTH_REASONS);

const GRAVITY = Object.keys(HEALTH_REASONS) as HealthCode[];

/** `what` names the part and its values. */
export function healthReason(code: HealthCode, what: string): HealthReason {
  const { effect, action } = HEALTH_REASONS[code];
  return { code, effect, text: `${what}. What to do: ${action}` };
}

export function gravestFirst(reasons: readonly HealthReason[]): readonly HealthReason[] {
  return [...reasons].sort((a, b) => GRAVITY.indexOf(a.code) - GRAVITY.indexOf(b.code));
}
