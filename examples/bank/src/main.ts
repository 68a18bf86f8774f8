/** `node dist/main.js`: 1,000 transfers at once. Exits 0 when money is conserved, 1 when not, 2 on a wrong option. */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { memoryTransport } from '@clstr/transport-memory';
import { natsTransport } from '@clstr/transport-nats';
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
    const transport = transportOf(values.transport, values['nats-url']);
    return { transport, accounts: ACCOUNTS, transfers: TRANSFERS, isBroken: values.break };
  } catch (error) {
    console.error((error as Error).message);
    return undefined;
  }
}

function transportOf(name: string, servers: string): BankOptions['transport'] {
  switch (name) {
    case 'memory':
      return () => memoryTransport();
    case 'nats':
      // Each run has its own prefix, so that it does not touch anything else on the server.
      return () => natsTransport({ servers, subjectPrefix: `bank-${randomUUID()}` });
    default:
      throw new Error(`--transport must be memory or nats, got ${name}`);
  }
}
