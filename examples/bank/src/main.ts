/** `node dist/main.js`: 1,000 transfers at once. Exits 0 when money is conserved, 1 when not, 2 on a wrong option. */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { jetstreamStore } from '@clstr/jetstream';
import { memoryStateStore, memoryTransport } from '@clstr/transport-memory';
import { natsCluster } from '@clstr/transport-nats';
import { runBank } from './bank.ts';
import type { BankOptions } from './bank.ts';
import { formatResult, isConserved } from './report.ts';

const ACCOUNTS = 100;
const TRANSFERS = 1_000;

const options = readOptions();
if (options === undefined) process.exitCode = 2;
else {
  const result = await runBank(options);
  console.log(formatResult(result));
  process.exitCode = isConserved(result) ? 0 : 1;
}

function readOptions(): BankOptions | undefined {
  try {
    const { values } = parseArgs({
      options: {
        /** `memory` or `nats`. */
        transport: { type: 'string', default: 'memory' },
        'nats-url': { type: 'string', default: 'nats://127.0.0.1:4222' },
        /** Disables compensation, to show that the check finds missing money. */
        break: { type: 'boolean', default: false },
      },
    });
    const place = placeOf(values.transport, values['nats-url']);
    return { place, accounts: ACCOUNTS, transfers: TRANSFERS, isBroken: values.break };
  } catch (error) {
    console.error((error as Error).message);
    return undefined;
  }
}

function placeOf(name: string, servers: string): BankOptions['place'] {
  switch (name) {
    case 'memory':
      return { transport: () => memoryTransport(), store: memoryStateStore() };
    case 'nats':
      // Each run has its own cluster, so that it does not touch anything else on the server.
      return {
        cluster: natsCluster({ servers, name: `bank-${randomUUID()}`, timing: 'fast' }),
        store: jetstreamStore({ storage: 'memory' }),
      };
    default:
      throw new Error(`--transport must be memory or nats, got ${name}`);
  }
}
