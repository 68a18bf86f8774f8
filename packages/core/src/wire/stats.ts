/** Counts what a transport dropped without a sender to report it to. */
export interface TransportStats {
  /** Messages, or entries of one, that could not be read. */
  malformed: number;
  /** Messages dropped because their reply subject matches none of `inboxPrefixes`. */
  forbiddenReplySubjects: number;
  /** Native messages of another version of the wire. */
  unsupportedVersions: number;
  /** Replies that did not leave: the connection was down for longer than their callers waited, or too many waited. */
  lostReplies: number;
}

export function createStats(): TransportStats {
  return { malformed: 0, forbiddenReplySubjects: 0, unsupportedVersions: 0, lostReplies: 0 };
}
