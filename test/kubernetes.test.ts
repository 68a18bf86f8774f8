/** Holds the manifests of docs/how-to/kubernetes.md against each other and against the program beside them. */
import { defaults, healthHandler } from '@clstr/app';
import { TIMINGS } from '@clstr/core';
import { describe, expect, test } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { codeBlocksOf } from './docs/markdown.ts';
import { readText } from './docs/repository.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: Record<string, unknown>;
}

interface StatefulSet {
  readonly serviceName: string;
  readonly minReadySeconds: number;
  readonly selector: { readonly matchLabels: Record<string, string> };
  readonly template: {
    readonly metadata: { readonly labels: Record<string, string> };
    readonly spec: {
      readonly terminationGracePeriodSeconds: number;
      readonly containers: readonly [Container];
    };
  };
}

interface Container {
  readonly env: readonly { readonly name: string }[];
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly livenessProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
}

describe('docs/how-to/kubernetes.md', () => {
  const blocks = codeBlocksOf(readText('docs/how-to/kubernetes.md'));
  const program = blocks.find(({ info }) => info === 'ts')!.text;
  const documents = parseAllDocuments(blocks.find(({ info }) => info === 'yaml')!.text);
  const manifests = documents.map((document) => document.toJS() as Manifest);
  const find = (kind: string): Manifest => manifests.find((manifest) => manifest.kind === kind)!;
  const set = find('StatefulSet').spec as unknown as StatefulSet;
  const pod = set.template.spec;
  const [container] = pod.containers;

  test('has manifests that parse', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
    expect(manifests.map(({ kind }) => kind)).toEqual([
      'Service',
      'StatefulSet',
      'PodDisruptionBudget',
      'Job',
    ]);
  });

  test('selects the pods of the StatefulSet everywhere', () => {
    const { labels } = set.template.metadata;
    expect(set.selector.matchLabels).toEqual(labels);
    expect(find('Service').spec).toMatchObject({ clusterIP: 'None', selector: labels });
    expect(find('PodDisruptionBudget').spec).toMatchObject({ selector: { matchLabels: labels } });
    expect(find('Service').metadata.name).toBe(set.serviceName);
  });

  test('gives a pod more time than its drain takes, even while the store does not answer', () => {
    expect(program).toContain(`drainMs: ${defaults.drainMs / 1_000}_000`);
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan((3 * defaults.drainMs) / 1_000 + 3 + 10);
    expect(set.minReadySeconds * 1_000).toBeGreaterThan(TIMINGS.default.stableMs);
  });

  test('probes what the program answers, and sets what it reads', () => {
    const { readinessProbe, livenessProbe, ports, env } = container;
    const answered = (path: string): number => healthHandler().fetch(new Request(`http://pod${path}`)).status;
    expect(readinessProbe.httpGet.path).toBe('/readyz');
    expect(livenessProbe.httpGet.path).toBe('/livez');
    expect([answered(readinessProbe.httpGet.path), answered(livenessProbe.httpGet.path)]).toEqual([503, 200]);
    expect(program).toContain('createServer(health.node)');
    for (const { httpGet } of [readinessProbe, livenessProbe]) expect(httpGet.port).toBe(ports[0]!.name);
    expect(program).toContain('.listen(8_080)');
    expect(ports[0]!.containerPort).toBe(8_080);
    const read = [...program.matchAll(/process\.env\['(\w+)'\]/g)].map((match) => match[1]!);
    expect(env.map(({ name }) => name).sort()).toEqual(read.sort());
    expect(program).toContain(`identity: 'exclusive'`);
  });
});
