/** The run: opens accounts, sends all transfers at once, and counts the money before and after. */
import type { Actor } from '@clstr/actors';
import { createApp } from '@clstr/app';
import type { App, AppOptions } from '@clstr/app';
import { account } from './account.ts';
import { Account, Transfer } from './contracts.ts';
import type { Order, Receipt } from './contracts.ts';
import { createFaults, sabotaged } from './sabotage.ts';
import { transfer } from './transfer.ts';

export interface BankOptions {
  /** Where it runs: a cluster, or a transport; and where its state is kept. */
  place: Pick<AppOptions, 'cluster' | 'transport' | 'store'>;
  accounts: number;
  transfers: number;
  /** Disables the reverting: money must be missing at the end. */
  isBroken: boolean;
}

export interface BankResult {
  readonly receipts: readonly Receipt[];
  /** The number of transfers without a receipt. */
  readonly unsettled: number;
  readonly centsBefore: number;
  readonly centsAfter: number;
  readonly seconds: number;
}

const OPENING_CENTS = 100_000;
const MAX_CENTS = 20_000;
/** One transfer in twenty goes to an account that does not exist. */
const CLOSED_SHARE = 1 / 20;
const MAX_TRIES = 20;

export async function runBank(options: BankOptions): Promise<BankResult> {
  const { place, accounts, transfers, isBroken } = options;
  const app = await createApp({
    ...place,
    actors: [sabotaged(account as Actor, createFaults(isBroken)), transfer],
    cacheSize: Math.max(accounts, transfers),
    client: { timeoutMs: 30_000 },
    // Its handlers fail on purpose, many times a second.
    logger: false,
  });
  try {
    const ids = Array.from({ length: accounts }, (_, index) => `account-${index}`);
    await Promise.all(ids.map((id) => app.ref(Account, id).open({ cents: OPENING_CENTS })));
    const centsBefore = await countMoney(app, ids);
    const startMs = performance.now();
    const settled = await Promise.all(
      Array.from({ length: transfers }, (_, index) => settle(app, `transfer-${index}`, randomOrder(ids))),
    );
    const seconds = (performance.now() - startMs) / 1_000;
    const receipts = settled.filter((one) => one !== undefined);
    const unsettled = settled.length - receipts.length;
    return { receipts, unsettled, centsBefore, centsAfter: await countMoney(app, ids), seconds };
  } finally {
    await app.close();
  }
}

/** Sends a failed transfer again under the same id, which is harmless and shows how it ended. */
async function settle(app: App, id: string, order: Order): Promise<Receipt | undefined> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    try {
      return await app.ref(Transfer, id).run(order);
    } catch {
      // Ignore the error: the next answer says how the transfer ended.
    }
  }
  return undefined;
}

async function countMoney(app: App, ids: readonly string[]): Promise<number> {
  const balances = await Promise.all(ids.map((id) => app.ref(Account, id).balance()));
  return balances.reduce((sum, cents) => sum + cents, 0);
}

function randomOrder(ids: readonly string[]): Order {
  const pick = (): string => ids[Math.floor(Math.random() * ids.length)]!;
  const to = Math.random() < CLOSED_SHARE ? 'nobody' : pick();
  return { from: pick(), to, cents: 1 + Math.floor(Math.random() * MAX_CENTS) };
}
