/** A server that is killed under load: what was acknowledged is there after its restart. */
import { hasNatsServer } from '@clstr/testing/nats';
import { expect, test } from 'vitest';
import { Stage, TIMEOUT_MS, append, backAgain, placeOf, readTexts } from './stage.ts';

const KEYS = 20;

test.skipIf(!hasNatsServer())(
  'no acknowledged record is lost when the server is killed, and none is stored twice',
  async () => {
    const stage = await Stage.start();
    try {
      const cluster = stage.nextCluster();
      const transport = await stage.transport(cluster);
      const store = await stage.openOn(transport, cluster);
      const other = await stage.open(cluster);
      const acked = Array.from({ length: KEYS }, () => [] as string[]);
      let enough: () => void = () => undefined;
      const started = new Promise<void>((resolve) => {
        enough = resolve;
      });
      /** Appends until an answer is missing. */
      const writing = acked.map(async (texts, i) => {
        for (let revision = 0; ;) {
          const text = `${i}/${texts.length}`;
          const outcome = await append(store, placeOf(`key ${i}`), revision, text, texts.length % 10 === 0);
          if (outcome.kind !== 'acked') return outcome.kind;
          revision = outcome.revision;
          texts.push(text);
          if (texts.length === 50) enough();
        }
      });
      await started;
      await stage.server.kill();
      expect(new Set(await Promise.all(writing))).toEqual(new Set(['unknown']));
      expect(store.isConnected).toBe(false);
      await expect(other.load(placeOf('key 0'), TIMEOUT_MS)).rejects.toMatchObject({
        code: 'CONNECTION_LOST',
      });
      const back = backAgain(transport);
      await stage.server.restart();
      await back;
      expect(store.isConnected).toBe(true);
      for (const [i, texts] of acked.entries()) {
        const loaded = await readTexts(store, placeOf(`key ${i}`));
        const first = Number(loaded[0]!.split('/')[1]);
        expect(first % 10).toBe(0);
        // The record without an answer may be there as well.
        expect([texts.length, texts.length + 1]).toContain(first + loaded.length);
        expect(loaded).toEqual(loaded.map((_, n) => `${i}/${first + n}`));
      }
    } finally {
      await stage.stop();
    }
  },
);
