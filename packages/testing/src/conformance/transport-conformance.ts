/** The contract of a transport as a test suite: every transport runs the same behaviours, end to end. */
import { aborts } from './aborts.ts';
import { announcements } from './announcements.ts';
import { asyncContexts } from './async-contexts.ts';
import type { Behaviours } from './behaviour.ts';
import { deadlines } from './deadlines.ts';
import { endings } from './endings.ts';
import { failures } from './failures.ts';
import { headersAndTypes } from './headers-and-types.ts';
import { keys } from './keys.ts';
import { limits } from './limits.ts';
import { notifies } from './notifies.ts';
import { owners } from './owners.ts';
import { payloads } from './payloads.ts';
import { requests } from './requests.ts';
import { Stage } from './stage.ts';
import { declareSuite } from './suite.ts';
import type { TransportUnderTest } from './transport-under-test.ts';

const THEMES: Readonly<Record<string, Behaviours>> = {
  payloads,
  keys,
  'headers and types': headersAndTypes,
  requests,
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
