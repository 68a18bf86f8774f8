/** How the streams are made, and which settings of a stream that exists would lose state or falsify it. */
import { describe } from '@clstr/core/internal';

export interface StreamShape {
  readonly replicas: number;
  readonly storage: 'file' | 'memory';
}

/** The settings of a stream, as the server reports them. */
export interface StreamSettings {
  readonly subjects?: readonly string[];
  readonly retention?: string;
  readonly discard?: string;
  readonly storage?: string;
  readonly num_replicas?: number;
  readonly max_msgs_per_subject?: number;
  readonly max_msgs?: number;
  readonly max_bytes?: number;
  readonly max_age?: number;
  readonly mirror?: object;
  readonly sources?: readonly object[];
  readonly subject_transform?: object;
  readonly allow_rollup_hdrs?: boolean;
  readonly deny_purge?: boolean;
  readonly no_ack?: boolean;
  readonly sealed?: boolean;
}

export interface StreamPlan {
  readonly name: string;
  readonly subject: string;
  readonly keeps: 'all' | 'newest';
}

export function settingsOf({ name, subject, keeps }: StreamPlan, { replicas, storage }: StreamShape): object {
  return {
    name,
    subjects: [subject],
    description: 'state of the actors of a clstr cluster',
    retention: 'limits',
    max_msgs_per_subject: perKey(keeps),
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msg_size: -1,
    max_consumers: -1,
    discard: 'new',
    num_replicas: replicas,
    storage,
    // A replica that is behind may answer a direct read.
    allow_direct: false,
    // One write with a roll-up header would delete every record. Purges stay possible, because `erase` is one.
    allow_rollup_hdrs: false,
    deny_delete: true,
    deny_purge: false,
  };
}

/** One text for each setting that endangers state; empty if there is none. */
export function problemsOf(found: StreamSettings, plan: StreamPlan, { storage }: StreamShape): string[] {
  const { subjects = [], max_msgs_per_subject: most = -1, max_age: age = 0 } = found;
  const isLimited = (found.max_msgs ?? -1) > 0 || (found.max_bytes ?? -1) > 0;
  const inflows = (['mirror', 'sources', 'subject_transform'] as const).filter((name) => isSet(found[name]));
  return [
    ...(subjects.length === 1 && subjects[0] === plan.subject
      ? []
      : [`subjects ${describe(subjects.join(' '))} instead of ${plan.subject}`]),
    ...inflows.map((name) => `${name}, which brings in records that no actor wrote`),
    ...(Math.max(most, -1) === perKey(plan.keeps) || (most === 0 && plan.keeps === 'all')
      ? []
      : [`max_msgs_per_subject ${most} instead of ${perKey(plan.keeps)}`]),
    ...(age > 0 ? [`max_age ${age}`] : []),
    ...(found.discard === 'old' && isLimited ? ['discard old with a limit, which drops records'] : []),
    ...(found.retention === 'limits' ? [] : [`retention ${describe(found.retention)} instead of limits`]),
    ...(found.allow_rollup_hdrs === true ? ['allow_rollup_hdrs'] : []),
    ...(found.deny_purge === true ? ['deny_purge, with which nothing can be erased'] : []),
    ...(found.no_ack === true ? ['no_ack'] : []),
    ...(found.sealed === true ? ['sealed'] : []),
    ...(found.storage === 'memory' && storage === 'file' ? ['storage memory instead of file'] : []),
  ];
}

function perKey(keeps: 'all' | 'newest'): number {
  return keeps === 'newest' ? 1 : -1;
}

function isSet(value: object | readonly object[] | undefined): boolean {
  return value !== undefined && !(Array.isArray(value) && value.length === 0);
}
