/** Nodes tell clients that there is news of owners, and nothing else. */
import type { ClientLink, NodeAddress } from '@clstr/core/wire';
import { nodeAddress } from '@clstr/core/wire';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { sendRaw } from './raw-entry.ts';
import type { Stage } from './stage.ts';

const RUN: NodeAddress = nodeAddress('node-1', 'run-1')!;
const LAST: NodeAddress = nodeAddress('node-1', 'last')!;

/** What a link hears, up to the announcement of LAST. */
interface Heard {
  readonly link: ClientLink;
  readonly runs: (NodeAddress | undefined)[];
  readonly last: Promise<void>;
}

export const announcements: Behaviours = {
  async 'reach every link that listens, and name the run of the node'(stage) {
    const links = [await listening(stage), await listening(stage)];
    const transport = await stage.transport();
    transport.announce(RUN);
    transport.announce(LAST);
    await Promise.all(links.map(({ last }) => last));
    expect(links.map(({ runs }) => runs)).toEqual([
      [RUN, LAST],
      [RUN, LAST],
    ]);
  },

  async 'reach links on the transport of the node itself'(stage) {
    const transport = await stage.transport();
    const { runs, last } = await listening(stage, transport.openLink({ clientId: 77 }));
    transport.announce(LAST);
    await last;
    expect(runs).toEqual([LAST]);
  },

  async 'do not reach a link that is closed, and end with the transport'(stage) {
    const [closed, open] = [await listening(stage), await listening(stage)];
    await closed.link.close();
    const [gone, transport] = [await stage.transport(), await stage.transport()];
    await gone.close();
    gone.announce(RUN);
    transport.announce(LAST);
    await open.last;
    expect([closed.runs, open.runs]).toEqual([[], [LAST]]);
  },

  async 'reach no handler of a node, and disturb no answer'(stage) {
    let handled = 0;
    await stage.node(() => ++handled, { shards: [1] });
    const { link, last } = await listening(stage);
    (await stage.transport()).announce(LAST);
    await last;
    expect((await sendRaw(link, { shard: 1 })).error).toBeUndefined();
    expect(handled).toBe(1);
  },
};

async function listening(stage: Stage, given?: ClientLink): Promise<Heard> {
  const link = given ?? (await stage.link());
  const runs: (NodeAddress | undefined)[] = [];
  const last = deferred();
  link.onAnnouncement((from) => {
    runs.push(from);
    if (from?.inc === LAST.inc) last.resolve();
  });
  // Once a message of the link was answered, the bus knows that it listens.
  await sendRaw(link, { shard: 15 });
  return { link, runs, last: last.promise };
}
