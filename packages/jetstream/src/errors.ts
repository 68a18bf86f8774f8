/** The errors of the store. */
import { ClstrError } from '@clstr/core';
import type { StatePlace } from '@clstr/core/store';
import { describe, printable } from '@clstr/core/internal';

export function notOverNats(transport: string): ClstrError {
  const message =
    `jetstreamStore: it needs the connection of a transport made by natsTransport or natsCluster, and the app has ` +
    `the transport ${describe(transport)}`;
  return new ClstrError('INVALID_OPTION', message);
}

export function noJetStream(cause: ClstrError): ClstrError {
  const message = `JetStream does not answer; jetstreamStore needs it (nats-server -js): ${cause.message}`;
  return new ClstrError('CONNECT_FAILED', message, { cause });
}

export function unsafeReplicas(version: string, replicas: number): ClstrError {
  const message =
    `nats-server ${version} may lose acknowledged writes of a stream with ${replicas} replicas: upgrade to 2.11 or ` +
    'later, use 1 replica, or set allowUnsafeServer';
  return new ClstrError('UNSUPPORTED_VERSION', message, { details: { version, replicas } });
}

/** `problems` are settings of a stream that exists. */
export function streamDiffers(stream: string, problems: readonly string[]): ClstrError {
  const message =
    `the stream ${stream} has settings with which state is lost or false: ${printable(problems.join(', '))}; ` +
    'correct them, or give the cluster another name';
  return new ClstrError('CLUSTER_CONFIG_MISMATCH', message, { details: { stream, problems } });
}

/** It was there before: an empty state must not be read in its place. */
export function streamGone(stream: string): ClstrError {
  const message = `the stream ${stream} is gone: restore it from a backup, or restart all nodes to begin without state`;
  return new ClstrError('STORE_REFUSED', message, { details: { stream } });
}

export function storeDown(): ClstrError {
  return new ClstrError('CONNECTION_LOST', 'the connection to the store of state is down');
}

export function jetStreamSilent(cause: unknown): ClstrError {
  return new ClstrError('CONNECTION_LOST', 'JetStream does not answer', { cause });
}

export function unreadableAnswer(method: string, cause: unknown): ClstrError {
  return new ClstrError('CONNECTION_LOST', `the answer to ${method} is not one of JetStream`, { cause });
}

export function readFailed(stream: string, why: string): ClstrError {
  return new ClstrError('CONNECTION_LOST', `reading ${stream} failed: ${printable(why)}`);
}

export function readTooSlow(stream: string, timeoutMs: number): ClstrError {
  return new ClstrError('TIMEOUT', `reading ${stream} did not end within ${Math.round(timeoutMs)} ms`);
}

export function recordMissing(place: StatePlace, stream: string, what: string): ClstrError {
  const message = `the log of ${nameOf(place)} in ${stream} is not whole: ${what}`;
  return new ClstrError('STORE_REFUSED', message, { details: { stream } });
}

export function foreignRecord(stream: string, revision: number, why: string): ClstrError {
  const message = `message ${revision} of ${stream} is not a record of this store: ${why}`;
  return new ClstrError('STORE_REFUSED', message, { details: { stream, revision } });
}

/** Two keys with one hash, or a record under the subject of another key. */
export function otherKey(place: StatePlace, stream: string, revision: number): ClstrError {
  const message = `message ${revision} of ${stream} belongs to another key than ${nameOf(place)}`;
  return new ClstrError('STORE_REFUSED', message, { details: { stream, revision } });
}

export function tooLarge(bytes: number, most: number): ClstrError {
  const message = `a record of ${bytes} bytes is larger than the store takes (${most})`;
  return new ClstrError('PAYLOAD_TOO_LARGE', message);
}

/** An erasure that leaves records needs a mark that says so. */
export function notMarked(place: StatePlace, stream: string): ClstrError {
  return new ClstrError('CONNECTION_LOST', `${stream} did not take the mark that ${nameOf(place)} is erased`);
}

function nameOf({ space, key }: StatePlace): string {
  return `${space}/${describe(key)}`;
}
