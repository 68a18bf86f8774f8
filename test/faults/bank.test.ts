/** The bank of examples/bank on three processes under `kill -9`: not a cent is lost or made. */
import { join } from 'node:path';
import { defineActor, request } from '@clstr/actors';
import { connectClient } from '@clstr/app';
import type { ConnectedClient } from '@clstr/app';
import { isClstrError } from '@clstr/core';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsCluster } from '@clstr/transport-nats';
import { beforeAll, describe, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, build } from '../programs/program.ts';
import { ForkedNodes } from './forked-nodes.ts';
import { IS_LONG, figure } from './setting.ts';

interface Order {
  from: string;
  to: string;
  cents: number;
}

interface Receipt {
  outcome: 'done' | 'refused' | 'compensated';
  reason: string;
}

const Account = defineActor('account', {
  open: request<{ cents: number }, number>(),
  balance: request<void, number>({ readonly: true }),
});
const Transfer = defineActor('transfer', { run: request<Order, Receipt>() });

const PROGRAM = join(import.meta.dirname, 'programs/bank-process.mjs');
const ACCOUNTS = Array.from({ length: 40 }, (_, index) => `account-${index}`);
const TRANSFERS = 1_000;
const KILLS = IS_LONG ? 100 : 20;
const OPENING_CENTS = 10_000;
/** How many transfers are on their way at a time. */
const AT_A_TIME = 16;

beforeAll(() => build(join(import.meta.dirname, '../../examples/bank')), BUILD_TIMEOUT_MS);

describe.skipIf(!hasNatsServer())('the bank', { timeout: 600_000 }, () => {
  test('conserves money while its nodes are killed', async () => {
    await using server = await startNatsServer({ args: ['-js'] });
    const nodes = new ForkedNodes(PROGRAM, [server.url]);
    try {
      await Promise.all([nodes.start(), nodes.start(), nodes.start()]);
      await using client = await connectClient({
        cluster: natsCluster({ servers: server.url, name: 'bank', timing: 'fast' }),
      });
      const bank = new Bank(client);
      await Promise.all(ACCOUNTS.map((id) => bank.open(id)));
      const perKill = TRANSFERS / KILLS;
      let begun = 0;
      const settled: Receipt[] = [];
      const work = Array.from({ length: AT_A_TIME }, async () => {
        while (begun < TRANSFERS) settled.push(await bank.transfer(begun++));
      });
      for (let kills = 1; kills <= KILLS; kills++) {
        await bank.untilSettled((kills - 0.5) * perKill);
        nodes.killOldest();
        await nodes.start();
      }
      await Promise.all(work);
      expect(settled).toHaveLength(TRANSFERS);
      expect(settled.filter(({ outcome }) => outcome === 'done').length).toBeGreaterThan(TRANSFERS / 2);
      figure(`bank: ${TRANSFERS} transfers under ${KILLS} kills, ${bank.repeated} calls repeated by hand`);
      expect(await bank.money()).toBe(ACCOUNTS.length * OPENING_CENTS);
      // The receipts are stored: what is asked again after the end of all first nodes moves nothing.
      for (const number of [0, 1, 2]) expect(await bank.transfer(number)).toEqual(bank.receipts.get(number));
      expect(await bank.money()).toBe(ACCOUNTS.length * OPENING_CENTS);
    } finally {
      await nodes.end();
    }
  });
});

/** A customer who asks again until there is an answer. */
class Bank {
  readonly receipts = new Map<number, Receipt>();
  repeated = 0;
  readonly #client: ConnectedClient;
  #onSettled: () => void = () => undefined;

  constructor(client: ConnectedClient) {
    this.#client = client;
  }

  open(id: string): Promise<number> {
    const idempotencyKey = `open-${id}`;
    return this.#insist(() =>
      Account.ref(this.#client, id).open({ cents: OPENING_CENTS }, { idempotencyKey, timeoutMs: 10_000 }),
    );
  }

  async transfer(number: number): Promise<Receipt> {
    const from = ACCOUNTS[number % ACCOUNTS.length]!;
    const to = ACCOUNTS[(7 * number + 3) % ACCOUNTS.length]!;
    const order: Order = { from, to, cents: 1 + (number % 97) };
    const receipt = await this.#insist(() =>
      Transfer.ref(this.#client, `transfer-${number}`).run(order, { timeoutMs: 10_000 }),
    );
    this.receipts.set(number, receipt);
    this.#onSettled();
    return receipt;
  }

  /** Resolves once this many transfers have their receipts. */
  async untilSettled(count: number): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onSettled = () => {
        if (this.receipts.size >= count) resolve();
      };
      this.#onSettled();
    });
  }

  async money(): Promise<number> {
    const balances = await Promise.all(
      ACCOUNTS.map((id) => this.#insist(() => Account.ref(this.#client, id).balance())),
    );
    return balances.reduce((sum, cents) => sum + cents, 0);
  }

  async #insist<T>(call: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await call();
      } catch (error) {
        if (!isClstrError(error) || tries >= 200) throw error;
        this.repeated++;
      }
    }
  }
}
