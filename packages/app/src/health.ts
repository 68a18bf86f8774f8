/** Whether an app can do its work: for probes that decide where requests go, and when a process is restarted. */
import type { ConnectionState, Node, NodeState, Transport } from '@clstr/core';

export interface Health {
  /** Whether every node of the app serves, so that calls may be sent to this process. */
  readonly isReady: boolean;
  /** `connecting` until there is a connection, then `joining` until the nodes have been made. */
  readonly state: 'connecting' | 'joining' | NodeState;
  /** Undefined before the first connection. */
  readonly connection: ConnectionState | undefined;
  readonly nodes: readonly { readonly id: string; readonly state: NodeState }[];
}

/** What exists of an app so far. */
export interface AppParts {
  transport: Transport | undefined;
  readonly nodes: Node[];
}

export function healthOf({ transport, nodes }: AppParts): Health {
  const states = nodes.map(({ id, state }) => ({ id, state }));
  const worst = states.find(({ state }) => state !== 'serving') ?? states[0];
  return {
    isReady: states.length > 0 && worst?.state === 'serving',
    state: worst?.state ?? (transport === undefined ? 'connecting' : 'joining'),
    connection: transport?.state,
    nodes: states,
  };
}
