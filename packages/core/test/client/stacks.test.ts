/** The stack of a failure names the functions that await the call. */
import { fakeClock } from '@clstr/testing';
import { describe, expect, test } from 'vitest';
import { createClient } from '../../src/client/client.ts';
import type { Client } from '../../src/client/api.ts';
import { errorFromRecord } from '../../src/wire/error-record.ts';
import { ActorError, ClstrError } from '../../src/base/errors.ts';
import { ScriptedTransport } from '../scripted-transport.ts';

function start() {
  const transport = new ScriptedTransport();
  const clock = fakeClock({ monoMs: 1_000_000 });
  return { transport, clock, client: createClient({ transport, clock, numShards: 16, routing: 'static' }) };
}

async function loadUser(client: Client): Promise<unknown> {
  return await client.requestShard(1, 'Get', null, { timeoutMs: 100 });
}

async function showPage(client: Client): Promise<ClstrError> {
  try {
    await loadUser(client);
  } catch (error) {
    return error as ClstrError;
  }
  throw new Error('expected a failure');
}

describe('the stack of a failure', () => {
  test('names the function that awaits the call, though the error came over the wire', async () => {
    const { client, transport } = start();
    const shown = showPage(client);
    transport.last.refuse(errorFromRecord({ code: 'ACTOR_ERROR', actorCode: 'NO', message: 'none left' }));
    const error = await shown;
    expect(error).toBeInstanceOf(ActorError);
    expect(error.stack).toMatch(/none left\n(?:.*processTicks.*\n)?.* loadUser .*\n.* showPage /);
    expect(error.stack).toContain('stacks.test.ts');
  });

  test('names the function that awaits a call that timed out, and no code that timed it out', async () => {
    const { client, clock } = start();
    const shown = showPage(client);
    await clock.advance(200);
    const { stack } = await shown;
    expect(stack).toMatch(/within 100 ms\n(?:.*processTicks.*\n)?.* loadUser .*\n.* showPage /);
    expect(stack).not.toContain('deadline-wheel');
  });

  test('is its own when one error of the transport ends several calls', async () => {
    const { client, transport } = start();
    const [page, user] = [showPage(client), loadUser(client).catch((error: unknown) => error as ClstrError)];
    const error = new ClstrError('NO_SUBSCRIBER', 'nobody', { details: { a: 1 } });
    for (const sent of transport.sent) sent.refuse(error);
    const [first, second] = [await page, (await user) as ClstrError];
    expect(first).not.toBe(second);
    expect(second).toMatchObject({ code: 'NO_SUBSCRIBER', outcome: 'not-executed', details: { a: 1 } });
    expect(first.stack).toContain('showPage');
    expect(second.stack).not.toContain('showPage');
  });

  test('is left out beyond 256 failures in a second: a flood costs no stack for each', async () => {
    const { client, transport, clock } = start();
    const fail = async (count: number): Promise<ClstrError[]> => {
      const shown = Array.from({ length: count }, () => showPage(client));
      for (const sent of transport.sent.slice(-count)) {
        sent.refuse(errorFromRecord({ code: 'OVERLOADED', message: 'full' }));
      }
      return await Promise.all(shown);
    };
    const named = (await fail(300)).filter(({ stack }) => stack?.includes('loadUser'));
    expect(named).toHaveLength(256);
    await clock.advance(1_000);
    expect((await fail(1))[0]!.stack).toContain('loadUser');
  });
});
