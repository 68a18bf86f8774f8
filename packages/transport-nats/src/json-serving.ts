/** The JSON wire at a node: an envelope becomes an entry; its reply goes where the envelope or its message says. */
import { ClstrError, NO_SHARD } from '@clstr/core';
import type { BusMessage, ServedAddress } from '@clstr/core/wire';
import { TOPOLOGY_ADDRESS } from '@clstr/core/wire';
import { NOWHERE, isInbox, subjectOf } from '@clstr/core/internal';
import { parseEnvelope } from './json-envelope.ts';
import { JsonReplyPort } from './json-reply-port.ts';

export function readEnvelope({ data, reply = '' }: BusMessage, served: ServedAddress): void {
  const { routes, subject, receiver } = served;
  const { bus, clock, prefix, stats } = routes.engine;
  let parsed;
  try {
    parsed = parseEnvelope(data, clock.monoMs());
  } catch (error) {
    stats.malformed++;
    const replyTo = (error as ClstrError).details?.['replyTo'] ?? reply;
    if (typeof replyTo !== 'string' || !isInbox(replyTo, bus.inboxPrefixes)) return;
    const caller = { ttlMs: undefined, receivedAtMs: clock.monoMs() };
    new JsonReplyPort(routes, replyTo).fail(caller, error as ClstrError);
    return;
  }
  const { entry, replyTo = reply } = parsed;
  if (replyTo !== '' && !isInbox(replyTo, bus.inboxPrefixes)) {
    stats.forbiddenReplySubjects++;
    return;
  }
  const port = replyTo === '' ? NOWHERE : new JsonReplyPort(routes, replyTo);
  const isTopology = subject === subjectOf(prefix, TOPOLOGY_ADDRESS);
  const isForNode = entry.shard === NO_SHARD && subject === routes.directSubject;
  if (isTopology || isForNode || subject === `${prefix}.shard.${entry.shard}`) receiver.onEntry(entry, port);
  else {
    const message = 'the shard of the envelope is not the shard of the subject that it came on';
    port.fail(entry, new ClstrError('INVALID_ENVELOPE', message));
  }
}
