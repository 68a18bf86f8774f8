/** The contract of a transport as a test suite: every transport runs the same behaviours, end to end. */
import { aborts } from './transport/aborts.ts';
import { announcements } from './transport/announcements.ts';
import { asyncContexts } from './transport/async-contexts.ts';
import type { Behaviours } from './transport/behaviour.ts';
import { deadlines } from './transport/deadlines.ts';
import { endings } from './transport/endings.ts';
import { failures } from './transport/failures.ts';
import { headersAndTypes } from './transport/headers-and-types.ts';
import { lists } from './transport/lists.ts';
import { keys } from './transport/keys.ts';
import { limits } from './transport/limits.ts';
import { nodes } from './transport/nodes.ts';
import { notifies } from './transport/notifies.ts';
import { owners } from './transport/owners.ts';
import { payloads } from './transport/payloads.ts';
import { requests } from './transport/requests.ts';
import { Stage } from './transport/stage.ts';
import { declareSuite } from './suite.ts';
import type { TransportUnderTest } from './transport/transport-under-test.ts';

const THEMES: Readonly<Record<string, Behaviours>> = {
  payloads,
  keys,
  'headers and types': headersAndTypes,
  requests,
  lists,
  'nodes themselves': nodes,
  owners,
  announcements,
  deadlines,
  'failing handlers': failures,
  aborts,
  notifies,
  'async contexts': asyncContexts,
  limits,
  endings,
};

/** Declares the suite for one transport. A skip must name a behaviour and say why it cannot hold. */
export function transportConformance(name: string, subject: TransportUnderTest): void {
  declareSuite({
    title: `the ${name} transport`,
    themes: THEMES,
    skips: subject.skips,
    createStage: () => new Stage(subject),
  });
}
