/** What a contender is: a node side that answers and a client side that asks, in processes of their own. */
import type { Payload } from './payload.ts';

export interface Contender {
  /** As given to `--contenders`. */
  name: string;
  /** As shown in the table. */
  title: string;
  /** `--quick` runs it only when it is named: it is slow, and a peer rather than a baseline. */
  isLeftOutOfQuick?: true;
  /** How many run `startNode`. Default 1. */
  nodeProcesses?: number;
  /**
   * Resolves when the node can answer. Left out when `startClient` holds the node too.
   *
   * @param process counts the node processes from 0.
   */
  startNode?: (site: Site, process: number) => Promise<Side>;
  /** Resolves when a request would be answered. */
  startClient: (site: Site) => Promise<ClientSide>;
}

/** Where the two sides meet. */
export interface Site {
  servers: string;
  numShards: number;
  /** First token of every subject, different for each contender. */
  prefix: string;
  /** Free on this machine, for a contender whose node listens by itself. */
  port: number;
}

export interface Side {
  close: () => Promise<void>;
}

export interface ClientSide extends Side {
  /** Encodes the question as JSON, has the node's `answer` run on it and decodes its JSON. */
  request: (key: string, question: Payload) => Promise<Payload>;
}
