import { defineActor, request } from '@clstr/actors';
import { isClstrError } from '@clstr/core';
import { durableState, eventSourced } from '@clstr/durable';
import { testActor } from '@clstr/testing';
import { memoryStateStore } from '@clstr/transport-memory';
import { describe, expect, it } from 'vitest';

const Note = defineActor('note', {
  write: request<string, void>(),
  count: request<void, number>(),
  length: request<void, number>({ readonly: true }),
});

const kinds = {
  durableState: Note.implement({
    durable: durableState({ initial: () => ({ text: '', count: 0 }) }),
    handlers: {
      write: (state, text) => {
        state.text = text;
      },
      count: (state) => ++state.count,
      length: ({ text }) => text.length,
    },
  }),
  eventSourced: Note.implement({
    durable: eventSourced({
      initial: () => ({ text: '', count: 0 }),
      events: {
        written: (state, text: string) => ({ ...state, text }),
        counted: (state) => ({ ...state, count: state.count + 1 }),
      },
    }),
    handlers: {
      write: (_state, text, ctx) => {
        ctx.emit('written', text);
      },
      count: (_state, _input, ctx) => ctx.emit('counted', null).count,
      length: ({ text }) => text.length,
    },
  }),
};

describe.each(Object.entries(kinds))('a turn of %s that is too large', (_name, note) => {
  it('leaves no trace, in memory neither', async () => {
    const actor = testActor(Note, note, { store: memoryStateStore({ maxRecordBytes: 1_000 }) });
    await actor.call.write('short');
    await expect(actor.call.write('x'.repeat(2_000))).rejects.toSatisfy(
      (error) => isClstrError(error, 'PAYLOAD_TOO_LARGE') && error.outcome === 'executed',
    );
    expect(await actor.call.length()).toBe(5);
    expect(await actor.call.count()).toBe(1);
    actor.restart();
    expect(await actor.call.length()).toBe(5);
  });
});
