import { describe, expect, test } from 'vitest';
import { Company } from '../../src/cluster/company.ts';
import type { MemberTraits } from '../../src/cluster/traits.ts';
import { Bucket, TestStore } from './bucket.ts';
import { createLedger, heartbeat, member, timing } from './fixtures.ts';
import { skewedClock } from './skewed-clock.ts';

const ORDERS = { hosts: ['order'], types: 'o' };
const INVOICES = { hosts: ['invoice'], types: 'i' };

/** What run `me` of node `me` sees of its cluster, in a test's hand. */
function company(traits: MemberTraits = INVOICES) {
  const clock = skewedClock();
  const ledger = createLedger({ store: new TestStore(new Bucket(), clock), clock });
  let revision = 0;
  const write = (key: string, record: object): void => {
    ledger.learn({ key, revision: ++revision, value: JSON.stringify(record) });
  };
  const up = (id: string, own: MemberTraits | undefined, state = 'up'): void => {
    write(`m.${id}`, { ...member(`${id}-run`, state), traits: own });
  };
  /** What happens between two lists. */
  const steps = { onList: () => undefined as void, isWanted: true };
  const list = async (): Promise<void> => steps.onList();
  const subject = new Company({
    nodeId: 'me',
    inc: 'me-run',
    traits,
    ledger,
    list,
    isWanted: () => steps.isWanted,
  });
  const beat = (id: string): void => write(`h.${id}`, heartbeat(`${id}-run`));
  /** How the check ends; 'waits' while it does not. */
  const check = async (withinMs = 0): Promise<unknown> => {
    let result: unknown = 'waits';
    subject.check().then(
      () => (result = 'fits'),
      (error: unknown) => (result = error),
    );
    await clock.advance(withinMs);
    return result;
  };
  return { clock, up, beat, steps, check, subject };
}

const refusal = (message: string): unknown =>
  expect.objectContaining({ code: 'CLUSTER_CONFIG_MISMATCH', message: expect.stringContaining(message) });

describe('a node that joins', () => {
  test('alone, or beside nodes that declare nothing, fits', async () => {
    const { up, beat, check } = company();
    expect(await check()).toBe('fits');
    up('a', undefined);
    up('b', { codec: 'json' });
    beat('a');
    expect(await check()).toBe('fits');
  });

  test('fits when it has one actor in common with the nodes there: a service that is being changed', async () => {
    const { up, check } = company({ hosts: ['invoice', 'order'], types: 'n' });
    up('a', ORDERS);
    up('b', { hosts: ['stock'], types: 's' });
    expect(await check()).toBe('fits');
  });

  test('and declares nothing is not compared', async () => {
    const { up, check } = company({ codec: 'json' });
    up('a', { ...ORDERS, codec: 'json' });
    expect(await check()).toBe('fits');
  });

  test('is refused beside a node that is alive of another service, and both lists are named', async () => {
    const { up, beat, check, steps } = company();
    up('a', ORDERS);
    beat('a');
    steps.onList = () => beat('a');
    const refused = await check(2 * timing.heartbeatMs);
    expect(refused).toEqual(refusal('node me hosts "invoice", and the nodes of this cluster host "order"'));
    expect(refused).toMatchObject({ details: { hosts: { cluster: ['order'], here: ['invoice'] } } });
  });

  test.each([
    ['prefix', 'the subject prefix is "shop" at node a and "clstr" here'],
    ['codec', 'the codec is "shop" at node a and "clstr" here'],
  ])('is refused beside a node that is alive with another %s', async (name, message) => {
    const { up, beat, check, steps } = company({ [name]: 'clstr' });
    up('a', { [name]: 'shop' });
    steps.onList = () => beat('a');
    expect(await check(2 * timing.heartbeatMs)).toEqual(refusal(message));
  });

  test('is not kept out by a node that died: its record outlives it', async () => {
    const { up, beat, check } = company();
    up('a', ORDERS);
    beat('a');
    expect(await check(timing.expiryMs - timing.heartbeatMs)).toBe('waits');
    expect(await check(timing.expiryMs + timing.heartbeatMs)).toBe('fits');
  });

  test('waits for the whole expiry of a node whose heartbeat moved once, and then no more', async () => {
    const { up, beat, check, steps } = company();
    up('a', ORDERS);
    beat('a');
    steps.onList = () => {
      steps.onList = () => undefined;
      beat('a');
    };
    expect(await check(timing.expiryMs)).toBe('waits');
    expect(await check(timing.expiryMs + timing.heartbeatMs)).toBe('fits');
  });

  test.each(['left', 'dead'])('is not compared with a node that is %s', async (state) => {
    const { up, check } = company();
    up('a', ORDERS, state);
    expect(await check()).toBe('fits');
  });

  test('waits no longer once it is closed', async () => {
    const { up, check, steps } = company();
    up('a', ORDERS);
    steps.isWanted = false;
    expect(await check()).toBe('fits');
  });
});

describe('of two services that start at the same moment', () => {
  test('the one that declared itself later goes', async () => {
    const { up, check, subject } = company();
    await check();
    up('a', ORDERS);
    up('me', INVOICES);
    expect(subject.misfitWith('a')).toEqual(refusal('node me hosts "invoice"'));
  });

  test('the one that declared itself earlier stays', async () => {
    const { up, check, subject } = company();
    await check();
    up('me', INVOICES);
    up('a', ORDERS);
    expect(subject.misfitWith('a')).toBeUndefined();
  });

  test('a run that has declared nothing yet is asked again before it does', async () => {
    const { up, check, subject } = company();
    await check();
    up('a', ORDERS);
    expect(subject.misfitWith('a')).toBeUndefined();
  });

  test('members present at the check are not checked again', async () => {
    const { up, check, subject } = company();
    up('a', ORDERS, 'up');
    await check(timing.expiryMs + timing.heartbeatMs);
    up('me', INVOICES);
    expect(subject.misfitWith('a')).toBeUndefined();
    expect(subject.misfitWith('nobody')).toBeUndefined();
  });
});

test('a cluster is mixed while a member that is alive handles other types', () => {
  const { up, subject } = company({ ...ORDERS, types: 'v1' });
  up('a', { ...ORDERS, types: 'v1' });
  up('b', undefined);
  expect(subject.isMixed).toBe(false);
  up('a', { ...ORDERS, types: 'v2' });
  expect(subject.isMixed).toBe(true);
  up('a', { ...ORDERS, types: 'v2' }, 'left');
  expect(subject.isMixed).toBe(false);
});
