/**
 * A real Prometheus reads two processes under load: the dashboard has values, and faults make the alerts fire. Those on
 * nodes that cannot be reached and on shards without an owner take minutes to come about: alerts.test.ts alone has them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasNatsServer, startNatsServer } from '@clstr/testing/nats';
import type { NatsServer } from '@clstr/testing/nats';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasPrometheus, promtool, startPrometheus } from './prometheus-server.ts';
import type { Prometheus } from './prometheus-server.ts';
import { startService } from './service.ts';
import type { Fault, Service } from './service.ts';

const DOCS = join(import.meta.dirname, '../../docs/reference');
/** Without the times that an alert has to last: alerts.test.ts tests those. */
const RULES = readFileSync(join(DOCS, 'alerts.yml'), 'utf8').replaceAll(/^ +for: .*\n/gm, '');

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[];
}

const isAvailable = hasPrometheus() && hasNatsServer();

describe.skipIf(!isAvailable)('a real Prometheus that reads two processes', { timeout: 90_000 }, () => {
  let server: NatsServer;
  let prometheus: Prometheus;
  let one: Service;
  let two: Service;
  const toStop: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    server = await startNatsServer({ args: ['-js'] });
    toStop.push(() => server.stop());
    const start = async (id: string): Promise<Service> => {
      const service = await startService(server.url, 'observed', id);
      toStop.push(() => service.stop());
      return service;
    };
    [one, two] = await Promise.all([start('one'), start('two')]);
    prometheus = await startPrometheus([one.address, two.address], RULES);
    toStop.push(() => prometheus.stop());
    // A rate needs two readings.
    await Promise.all([one.scraped(3), two.scraped(3)]);
  }, 60_000);
  afterAll(async () => {
    for (const stop of toStop.reverse()) await stop();
  });

  test('knows each rule, and has nothing to say about code and bounds while all is well', async () => {
    const rules = await prometheus.rules();
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    expect(rules).toHaveLength([...RULES.matchAll(/- alert:/g)].length);
    for (const alert of ['ClstrActorPanics', 'ClstrTasksFailing', 'ClstrOverloaded', 'ClstrRepliesLost']) {
      expect([...prometheus.fired]).not.toContain(alert);
    }
  });

  test('promtool finds nothing to mend in what a process exports', async () => {
    const text = await (await fetch(`http://${one.address}`)).text();
    expect(promtool(['check', 'metrics'], text)).toBe('');
  });

  test.each<[fault: Fault, ...alerts: string[]]>([
    ['panic', 'ClstrActorPanics'],
    ['failTask', 'ClstrTasksFailing'],
    ['overload', 'ClstrOverloaded', 'ClstrCallsRepeated'],
    ['queue', 'ClstrMailboxWaitLong'],
    ['block', 'ClstrEventLoopBlocked'],
  ])('after the fault %s it fires %s', async (fault, ...alerts) => {
    one.make(fault);
    await Promise.all(alerts.map((alert) => prometheus.untilFired(alert)));
  });

  test('fires ClstrNodeLapsed and ClstrNodeFenced after a process stood still', async () => {
    two.kill('SIGSTOP');
    await one.scraped(6);
    two.kill('SIGCONT');
    await Promise.all(['ClstrNodeLapsed', 'ClstrNodeFenced'].map((alert) => prometheus.untilFired(alert)));
  });

  test('fires what belongs to a server that is down for five seconds', async () => {
    for (const service of [one, two]) service.make('loseReply');
    await one.scraped(1);
    await server.kill();
    await Promise.all(
      ['ClstrConnectionLost', 'ClstrStoreSilent', 'ClstrNodeNotServing', 'ClstrTransportErrors'].map(
        (alert) => prometheus.untilFired(alert),
      ),
    );
    // Until the callers of the handlers that still run have given up.
    await one.scraped(5);
    await server.restart();
    await prometheus.untilFired('ClstrRepliesLost');
  });

  test('has a value for each expression of the dashboard', async () => {
    const dashboard = JSON.parse(readFileSync(join(DOCS, 'grafana-dashboard.json'), 'utf8')) as Dashboard;
    const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    expect(expressions.length).toBeGreaterThan(30);
    const empty: string[] = [];
    for (const expression of expressions) {
      const asGrafana = expression.replaceAll(/\$(job|instance)/g, '.*').replaceAll('$__rate_interval', '1m');
      const samples = await prometheus.query(asGrafana);
      if (!samples.some(({ value }) => Number.isFinite(Number(value[1])))) empty.push(expression);
    }
    expect(empty).toEqual([]);
  });
});
