// One node of the bank of examples/bank, over NATS; `node bank-process.mjs <server>`.
import { createApp } from '@clstr/app';
import { jetstreamStore } from '@clstr/jetstream';
import { natsCluster } from '@clstr/transport-nats';
import { account } from '../../../examples/bank/dist/account.js';
import { transfer } from '../../../examples/bank/dist/transfer.js';

process.once('disconnect', () => process.exit());
await createApp({
  cluster: natsCluster({ servers: process.argv[2], name: 'bank', timing: 'fast' }),
  store: jetstreamStore(),
  actors: [account, transfer],
});
process.send('ready');
