/** A contender: a node side that answers and a client side that asks, in processes of their own. */
import type { Payload } from './payload.ts';

export interface Contender {
  /** The name for `--contenders`. */
  name: string;
  /** The name in the table. */
  title: string;
  /** `--quick` runs it only if it is named: it is slow, and a peer rather than a baseline. */
  isLeftOutOfQuick?: true;
  /** How many processes run `startNode`. Default 1. */
  nodeProcesses?: number;
  /**
   * Resolves when the node can answer. Absent if `startClient` holds the node too.
   *
   * @param process counts the node processes from 0.
   */
  startNode?: (site: Site, process: number) => Promise<Side>;
  /** Resolves when the node would answer a request. */
  startClient: (site: Site) => Promise<ClientSide>;
}

/** Where the two sides meet. */
export interface Site {
  servers: string;
  numShards: number;
  /** First token of every subject, different for each contender. */
  prefix: string;
  /** A free port on this machine, for a contender whose node listens by itself. */
  port: number;
}

export interface Side {
  close: () => Promise<void>;
}

export interface ClientSide extends Side {
  /** Encodes the question as JSON, has the node's `answer` run on it and decodes its JSON. */
  request: (key: string, question: Payload) => Promise<Payload>;
  /** The same for a list, in its order, with a text for each failure. If there is one, a measurement asks lists alone. */
  requestMany?: ((questions: readonly Payload[]) => Promise<(Payload | string)[]>) | undefined;
}
