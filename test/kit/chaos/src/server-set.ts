/** The nats-servers of a chaos cluster: one, or three with a replica each, every one behind its own proxy. */
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { isClstrError } from '@clstr/core';
import { startNatsServer } from '@clstr/testing/nats';
import { startTcpProxy } from '@clstr/testing';
import type { NatsServer } from '@clstr/testing/nats';
import type { TcpProxy } from '@clstr/testing';
import { provisionCluster } from '@clstr/transport-nats';
import type { ProvisionOptions } from '@clstr/transport-nats';
import { nowMs } from './now.ts';

export interface ServerSet {
  readonly servers: readonly NatsServer[];
  /** The proxy of each server, in the same order, for nodes. Servers do not advertise each other's addresses. */
  readonly proxies: readonly TcpProxy[];
  close(): Promise<void>;
}

export async function startServerSet(count: 1 | 3): Promise<ServerSet> {
  const servers = count === 1 ? [await startNatsServer({ args: ['-js'] })] : await startThree();
  const proxies = await Promise.all(servers.map(({ port }) => startTcpProxy({ port })));
  return {
    servers,
    proxies,
    close: async () => {
      await Promise.all(proxies.map((proxy) => proxy.close()));
      for (const { pid } of servers) if (pid !== undefined) process.kill(pid, 'SIGCONT');
      await Promise.all(servers.map((server) => server.stop()));
    },
  };
}

/** Provisions as soon as the servers have found each other. @throws the last error of provisioning */
export async function provisionWhenUp(options: ProvisionOptions, limitMs = 30_000): Promise<void> {
  const endMs = nowMs() + limitMs;
  for (;;) {
    try {
      await provisionCluster(options);
      return;
    } catch (error) {
      if (!isClstrError(error) || nowMs() > endMs) throw error;
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
  }
}

async function startThree(): Promise<NatsServer[]> {
  const ports = await freePorts(3);
  const routes = ports.map((port) => `nats-route://127.0.0.1:${port}`).join(', ');
  return Promise.all(
    ports.map((port, index) =>
      startNatsServer({
        args: ['-js'],
        config: `server_name: s${index + 1}
          cluster { name: chaos, listen: "127.0.0.1:${port}", no_advertise: true, routes: [ ${routes} ] }`,
      }),
    ),
  );
}

/** Finds free ports: each server has to know those of the others before it starts. */
async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(
    Array.from({ length: count }, async () => {
      const holder = createServer();
      await new Promise<void>((resolve) => {
        holder.listen(0, '127.0.0.1', resolve);
      });
      return holder;
    }),
  );
  const ports = holders.map((holder) => (holder.address() as AddressInfo).port);
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.close(resolve))));
  return ports;
}
