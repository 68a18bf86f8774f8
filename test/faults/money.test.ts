/** The programs of the pages that keep money, under `kill -9`: what was answered is on the account, and nothing is there twice. */
import { randomUUID } from 'node:crypto';
import { defineActor, request } from '@clstr/actors';
import type { Caller } from '@clstr/actors';
import { connectClient } from '@clstr/app';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import { natsCluster } from '@clstr/transport-nats';
import { beforeAll, describe, expect, test } from 'vitest';
import { BUILD_TIMEOUT_MS, loaderOf } from '../programs/program.ts';
import { buildPackages, readmePrograms } from '../programs/readme.ts';
import { ForkedNodes } from './forked-nodes.ts';
import { figure } from './setting.ts';

const ACCOUNTS = Array.from({ length: 16 }, (_, index) => `account-${index}`);
const KILLS = 3;
/** Deposits that are answered between two kills. */
const BETWEEN = 400;

const Account = defineActor('account', {
  deposit: request<{ id: string; cents: number }, number>({ idempotent: true }),
});

const DurableAccount = defineActor('account', {
  deposit: request<{ cents: number }, number>(),
});

type Deposit = (client: Caller, account: string, cents: number, id: string) => Promise<number>;

const PROGRAMS: readonly { page: string; title: string; deposit: Deposit }[] = [
  {
    page: 'README.md',
    title: 'Actors that remember, on nodes that come and go',
    deposit: (client, account, cents, idempotencyKey) =>
      DurableAccount.ref(client, account).deposit({ cents }, { idempotencyKey, timeoutMs: 10_000 }),
  },
  {
    page: 'docs/how-to/state-in-your-database.md',
    title: 'State in your database',
    deposit: (client, account, cents, id) =>
      Account.ref(client, account).deposit({ id, cents }, { timeoutMs: 10_000 }),
  },
];

/** The program up to its app, as a server has it, with short leases. */
function asServer(text: string): string {
  const [server = '', rest] = text.split(/\n(?:const once = .*\n)?console\.log\(await app\.ref\(/);
  expect(rest, 'the program ends with its deposit').toBeDefined();
  const fast = server.replace("name: 'bank' }", "name: 'bank', timing: 'fast' }");
  expect(fast).not.toBe(server);
  return `${fast}\nprocess.send?.('ready');\n`;
}

beforeAll(buildPackages, BUILD_TIMEOUT_MS);

describe.skipIf(!hasNatsServer())('a program that keeps money', { timeout: 240_000 }, () => {
  test.each(PROGRAMS)(
    'of $page loses none and makes none under kills',
    async ({ page, title, deposit: send }) => {
      await using server = await startNatsServer({ args: ['-js'] });
      const found = readmePrograms(server.url, page).find((each) => each.title === title);
      const program = found!.write('money', asServer);
      const nodes = new ForkedNodes(program, [], loaderOf(program));
      try {
        await Promise.all([nodes.start(), nodes.start(), nodes.start()]);
        await using client = await connectClient({
          cluster: natsCluster({ servers: server.url, name: 'bank' }),
        });
        let [answered, failed, isOver] = [0, 0, false];
        let [onAnswered, awaited] = [(): void => undefined, Infinity];
        /** Sends one deposit until it is answered, as a caller who has the id does. */
        const deposit = async (account: string, cents: number): Promise<number> => {
          for (const id = randomUUID(); ; failed++) {
            try {
              return await send(client, account, cents, id);
            } catch (error) {
              if (failed > 10_000) throw error;
            }
          }
        };
        const load = ACCOUNTS.map(async (account) => {
          let sum = 0;
          for (; !isOver; sum++) {
            await deposit(account, 1);
            if (++answered === awaited) onAnswered();
          }
          return sum;
        });
        for (let kills = 0; kills < KILLS; kills++) {
          await new Promise<void>((resolve) => {
            awaited = answered + BETWEEN;
            onAnswered = resolve;
          });
          nodes.killOldest();
          await nodes.start();
        }
        isOver = true;
        const sums = await Promise.all(load);
        figure(`${page} under ${KILLS} kills: ${answered} deposits answered, ${failed} repeated by hand`);
        expect(await Promise.all(ACCOUNTS.map((account) => deposit(account, 0)))).toEqual(sums);
      } finally {
        await nodes.end();
      }
    },
  );
});
