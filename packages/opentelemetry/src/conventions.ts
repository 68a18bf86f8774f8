/**
 * The names of OpenTelemetry's RPC conventions 1.45, in which they are stable, and our own beside them. A test compares
 * the former with what `@opentelemetry/semantic-conventions` exports.
 */

export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.45.0';
/** The instrumentation scope of spans and metrics. */
export const SCOPE = '@clstr/opentelemetry';
export const VERSION = '0.1.0';

/** Of the conventions. */
export const RPC_SYSTEM_NAME = 'rpc.system.name';
export const RPC_METHOD = 'rpc.method';
export const RPC_METHOD_ORIGINAL = 'rpc.method_original';
export const RPC_STATUS_CODE = 'rpc.status_code';
export const SERVER_ADDRESS = 'server.address';
export const ERROR_TYPE = 'error.type';
export const ERROR_TYPE_OTHER = '_OTHER';
export const CLIENT_DURATION = 'rpc.client.call.duration';
export const SERVER_DURATION = 'rpc.server.call.duration';
/** The bounds that the conventions advise for both durations, in seconds. */
export const DURATION_BUCKETS: readonly number[] = [
  0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
];

/** The value of {@link RPC_SYSTEM_NAME}, and the name of a span whose method is not known. */
export const SYSTEM = 'clstr';
/** The method of a message whose type its node does not know. */
export const OTHER_METHOD = '_OTHER';
/** Where a bus holds one cluster alone, its address is that of a cluster without a prefix of its own. */
export const DEFAULT_ADDRESS = 'clstr';

/** Our own. */
export const CLSTR_SHARD = 'clstr.shard';
/** Only if the option `keys` asks for it. */
export const CLSTR_KEY = 'clstr.key';
/** True for a message without a reply; absent for a request. */
export const CLSTR_NOTIFY = 'clstr.notify';
export const CLSTR_NODE_ID = 'clstr.node.id';
/** How many owners the shard has had. Only in a dynamic cluster. */
export const CLSTR_EPOCH = 'clstr.epoch';
/** How often a call was sent. */
export const CLSTR_ATTEMPTS = 'clstr.attempts';
/** How long a message waited for its handler, in seconds. */
export const CLSTR_MAILBOX_WAIT = 'clstr.mailbox.wait';
/** Whether the handler ran: `not-executed`, `executed` or `unknown`. Only for errors. */
export const CLSTR_OUTCOME = 'clstr.outcome';
/** The code that an actor chose for its error. */
export const CLSTR_ACTOR_CODE = 'clstr.actor_code';

/** The event of a span whose call is sent again, with the next two as attributes. */
export const RETRY_EVENT = 'clstr.retry';
/** Why the attempt before failed, as a code. */
export const RETRY_REASON = 'clstr.retry.reason';
/** 2 for the first repeat. */
export const RETRY_ATTEMPT = 'clstr.retry.attempt';

/** The event of a span whose call could be sent again and is not; {@link RETRY_REASON} says why the last attempt failed. */
export const RETRY_DENIED_EVENT = 'clstr.retry_denied';
/** What decided against another attempt: `policy`, `deadline`, `budget` or `nested`. */
export const RETRY_DENIAL = 'clstr.retry.denial';
