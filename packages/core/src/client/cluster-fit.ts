/** Whether the nodes that answer belong to the cluster that a client was made for. */
import type { ClstrError } from '../base/errors.ts';
import type { Logger } from '../base/logger.ts';
import { misfitWith } from '../wire/cluster-identity.ts';
import type { ClusterIdentity } from '../wire/cluster-identity.ts';
import type { Shape } from './shape.ts';

export class ClusterFit {
  #identity: ClusterIdentity;
  readonly #shape: Shape;
  readonly #logger: Logger;
  /** Why the client accepts no call, as of the last answer; undefined if it fits. */
  misfit: ClstrError | undefined;

  constructor(identity: ClusterIdentity, shape: Shape, logger: Logger) {
    this.#identity = identity;
    this.#shape = shape;
    this.#logger = logger;
  }

  /** Takes what a node says of its cluster; returns why the client does not fit it. */
  compare(cluster: unknown): ClstrError | undefined {
    if (typeof cluster !== 'object' || cluster === null) return undefined;
    const misfit = misfitWith(this.#identity, cluster);
    const isNew = misfit !== undefined && misfit.message !== this.misfit?.message;
    this.misfit = misfit;
    if (isNew) this.#logger.error({ event: 'client.misfit', details: misfit.details }, misfit.message);
    if (misfit !== undefined) this.#shape.end(misfit);
    else if (this.#identity.numShards === undefined) {
      // With the option `numShards: 'ask'`: nodes that say another number from now on are misfits.
      this.#shape.learn(cluster);
      this.#identity = { ...this.#identity, numShards: this.#shape.numShards };
    }
    return misfit;
  }
}
