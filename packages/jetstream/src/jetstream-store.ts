/** The option `store` of `createApp` that keeps state in JetStream. */
import type { ClstrError, ErrorCode } from '@clstr/core';
import type { StatePlace, StateStore, StateStoreContext, StateStores } from '@clstr/core/store';
import type { Resolved, Spec } from '@clstr/core/internal';
import { flag, integer, oneOf, resolve } from '@clstr/core/internal';
import { isSafeServer, natsLinkOf } from '@clstr/transport-nats/internal';
import type { NatsLink } from '@clstr/transport-nats/internal';
import { noJetStream, notOverNats, unsafeReplicas } from './errors.ts';
import { JetStreamState } from './jetstream-state.ts';
import { Places, rootOf } from './places.ts';
import { Requests } from './requests.ts';
import { StateStream } from './state-stream.ts';

export interface JetStreamStoreOptions {
  /** Servers that keep a copy of the state, where this process is what creates the streams. Default 1. */
  replicas?: number | undefined;
  /** Where the servers keep the state; what is in memory is lost with its servers. Default `file`. */
  storage?: 'file' | 'memory' | undefined;
  /** Trusts several replicas of servers below 2.11, which may lose acknowledged writes. Default false. */
  allowUnsafeServer?: boolean | undefined;
}

/** The limit of JetStream. */
const MAX_REPLICAS = 5;

export const jetstreamStoreSpec: Spec<Resolved<JetStreamStoreOptions>> = {
  replicas: integer(1, MAX_REPLICAS, 1),
  storage: oneOf(['file', 'memory'], 'file'),
  allowUnsafeServer: flag(false),
};

/**
 * Keeps the state of durable actors in two streams of the cluster, on the NATS connection that the app has already. The
 * first write creates a stream that is missing. `open` also throws INVALID_OPTION where the app does not run over NATS, and
 * CLUSTER_CONFIG_MISMATCH if a stream exists with settings that lose state.
 *
 * @throws INVALID_OPTION
 */
export function jetstreamStore(options: JetStreamStoreOptions = {}): StateStores {
  const resolved = resolve('jetstreamStore', jetstreamStoreSpec, options);
  return Object.freeze<StateStores>({ open: (context) => open(resolved, context) });
}

/** For calls of a program that is starting. */
const ANSWER_MS = 5_000;

async function open(
  options: Resolved<JetStreamStoreOptions>,
  { cluster, service, transport, clock }: StateStoreContext,
): Promise<StateStore> {
  const link = natsLinkOf(transport);
  if (link === undefined) throw notOverNats(transport.name);
  const requests = new Requests(link, clock);
  const streamOf = (keeps: StatePlace['keeps'], name: string): StateStream => {
    const plan = { name: `${name}_${cluster}`, subject: `${rootOf(cluster, keeps)}>`, keeps };
    return new StateStream({ requests, clock, plan, shape: options });
  };
  const streams = { newest: streamOf('newest', 'CLSTR_STATE'), all: streamOf('all', 'CLSTR_LOG') };
  try {
    await check(options, link, Object.values(streams));
  } catch (error) {
    requests.close();
    throw error;
  }
  return new JetStreamState({ link, requests, clock, streams, places: new Places(cluster, service) });
}

async function check(
  { replicas, allowUnsafeServer }: Resolved<JetStreamStoreOptions>,
  { connection }: NatsLink,
  streams: readonly StateStream[],
): Promise<void> {
  const found = await Promise.all(streams.map((stream) => stream.look(ANSWER_MS))).catch((error: unknown) => {
    throw SILENT.includes((error as ClstrError).code) ? noJetStream(error as ClstrError) : error;
  });
  const most = Math.max(replicas, ...found.map((count) => count ?? 1));
  const version = connection.nats.info?.version ?? '';
  if (most > 1 && !allowUnsafeServer && !isSafeServer(version)) throw unsafeReplicas(version, most);
}

/** Errors that say no more than that there is no answer. */
const SILENT: readonly ErrorCode[] = ['TIMEOUT', 'CONNECTION_LOST', 'NO_SUBSCRIBER'];
