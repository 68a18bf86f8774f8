/** Bounds: what is too large or too much is refused by name, and harms nobody else. */
import { ActorError } from '@clstr/core';
import { deferred } from '@clstr/testing';
import { expect } from 'vitest';
import type { Behaviours } from './behaviour.ts';
import { expectFailure } from '../failure.ts';

export const limits: Behaviours = {
  async 'refuses a request over the largest message as PAYLOAD_TOO_LARGE, not executed'(stage) {
    let handled = 0;
    await stage.node(() => ++handled);
    const client = await stage.client();
    const { maxPayload } = stage.subject;
    for (const payload of [new Uint8Array(maxPayload), 'x'.repeat(maxPayload * 2)]) {
      const error = await expectFailure(
        client.requestKey('k', 'Big', payload),
        'PAYLOAD_TOO_LARGE',
        'not-executed',
      );
      expect(error.details).toMatchObject({ maxPayload });
      await expectFailure(client.notifyKey('k', 'Big', payload), 'PAYLOAD_TOO_LARGE', 'not-executed');
    }
    expect(await client.requestKey('k', 'Next')).toBe(1);
  },

  async 'answers a reply over the largest message as PAYLOAD_TOO_LARGE, executed'(stage) {
    await stage.node(({ payload }) => 'x'.repeat(payload as number));
    const client = await stage.client();
    const { maxPayload } = stage.subject;
    const error = await expectFailure(
      client.requestKey('k', 'Big', maxPayload),
      'PAYLOAD_TOO_LARGE',
      'executed',
    );
    expect(error.details).toMatchObject({ maxPayload });
    expect(await client.requestKey('k', 'Small', 3)).toBe('xxx');
  },

  async 'delivers an error that is larger than a message without its details, and with its text cut'(stage) {
    const { maxPayload } = stage.subject;
    await stage.node(({ type }) => {
      if (type === 'Next') return 'next';
      throw new ActorError('BIG', `big ${'x'.repeat(maxPayload)}`, { text: 'x'.repeat(maxPayload) });
    });
    const client = await stage.client();
    const error = await expectFailure(client.requestKey('k', 'Big'), 'ACTOR_ERROR', 'executed');
    expect(error).toMatchObject({
      actorCode: 'BIG',
      details: { dropped: expect.stringContaining('details of') as string },
    });
    expect(error.message).toMatch(/^big x{1000}/);
    expect(await client.requestKey('k', 'Next')).toBe('next');
  },

  async 'carries errors of one turn that are together larger than one message'(stage) {
    const text = 'x'.repeat(12_000);
    await stage.node(({ payload }) => {
      throw new ActorError('ONE_OF_MANY', String(payload), { text });
    });
    const client = await stage.client();
    const count = Math.ceil((stage.subject.maxPayload * 2) / text.length);
    const ends = await Promise.allSettled(
      Array.from({ length: count }, (_, i) => client.requestKey('k', 'Fail', i)),
    );
    for (const [i, end] of ends.entries()) {
      expect(end).toMatchObject({ reason: { code: 'ACTOR_ERROR', message: String(i), details: { text } } });
    }
  },

  async 'fails only the call or reply of a turn that is too large'(stage) {
    await stage.node(({ payload }) => new Uint8Array((payload as Uint8Array)[0] === 1 ? maxPayload : 1));
    const client = await stage.client();
    const { maxPayload } = stage.subject;
    await client.requestKey('k', 'Learn', Uint8Array.of(0));
    const sent = Array.from({ length: 9 }, (_, i) => {
      if (i === 4) return new Uint8Array(maxPayload + 1);
      return Uint8Array.of(i === 6 ? 1 : 0);
    });
    const ends = await Promise.allSettled(sent.map((payload) => client.requestKey('k', 'Size', payload)));
    for (const [i, end] of ends.entries()) {
      const outcome = i === 4 ? 'not-executed' : 'executed';
      if (i !== 4 && i !== 6) expect(end).toMatchObject({ status: 'fulfilled' });
      else expect(end).toMatchObject({ reason: { code: 'PAYLOAD_TOO_LARGE', outcome } });
    }
  },

  async 'answers OVERLOADED beyond maxInFlight, and accepts again when a handler has ended'(stage) {
    const gate = deferred<string>();
    const started = deferred();
    let running = 0;
    await stage.node(
      ({ type }) => {
        if (type === 'Next') return 'next';
        if (++running === 3) started.resolve();
        return gate.promise;
      },
      { maxInFlight: 3 },
    );
    const client = await stage.client();
    const accepted = [1, 2, 3].map((i) => client.requestKey(`k${i}`, 'Hang'));
    await started.promise;
    const error = await expectFailure(client.requestKey('k4', 'Hang'), 'OVERLOADED', 'not-executed');
    expect(error.retryable).toBe(true);
    gate.resolve('done');
    expect(await Promise.all(accepted)).toEqual(['done', 'done', 'done']);
    expect(await client.requestKey('k4', 'Next')).toBe('next');
    expect(running).toBe(3);
  },

  async 'answers OVERLOADED beyond maxInFlightBytes'(stage) {
    const gate = deferred<string>();
    const started = deferred();
    await stage.node(
      () => {
        started.resolve();
        return gate.promise;
      },
      { maxInFlightBytes: 1_000 },
    );
    const client = await stage.client();
    const accepted = client.requestKey('k', 'Hang', new Uint8Array(600));
    await started.promise;
    // Keys count too.
    await expectFailure(client.requestKey('k', 'Hang', new Uint8Array(399)), 'OVERLOADED', 'not-executed');
    const fits = client.requestKey('k', 'Hang', new Uint8Array(398));
    gate.resolve('done');
    expect(await Promise.all([accepted, fits])).toEqual(['done', 'done']);
  },
};
