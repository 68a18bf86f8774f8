/** Many calls at once: checks the list, and makes its calls, each by the client of its service. */
import { isClstrError } from '../base/errors.ts';
import type { ClstrError } from '../base/errors.ts';
import { CallList, Failed } from './call-list.ts';
import type { ClientParts } from './client-parts.ts';
import { checkList } from './list-options.ts';
import type { CallResult, KeyedCall, ListOptions } from './list-options.ts';

/** Rejects for a wrong list or wrong options alone; whatever else fails is a row. */
export async function requestMany(
  host: ClientParts,
  calls: readonly KeyedCall[],
  options: ListOptions = {},
): Promise<CallResult[]> {
  checkList(calls, options);
  if (calls.length > 0) host.options.metrics.listMade('requestMany', calls.length);
  if (calls.some((call) => serviceOf(call, host) !== host.service)) return toServices(host, calls, options);
  return run(host, calls, options);
}

async function run(
  host: ClientParts | ClstrError,
  calls: readonly KeyedCall[],
  options: ListOptions,
): Promise<CallResult[]> {
  if (calls.length === 0) return [];
  const failed = (error: ClstrError): CallResult[] => calls.map(() => new Failed(error));
  if (isClstrError(host)) return failed(host);
  const list = (rest: ListOptions): Promise<CallResult[]> => new CallList(host, calls, rest).run();
  if (host.isShaped()) return list(options);
  return host.whenShaped(options, list).catch(failed);
}

/** Makes one list for each service, and joins their rows. */
async function toServices(
  host: ClientParts,
  calls: readonly KeyedCall[],
  options: ListOptions,
): Promise<CallResult[]> {
  const places = new Map<string, number[]>();
  for (let i = 0; i < calls.length; i++) {
    const service = serviceOf(calls[i], host);
    const known = places.get(service);
    if (known === undefined) places.set(service, [i]);
    else known.push(i);
  }
  const rows = new Array<CallResult>(calls.length);
  const parts = [...places].map(async ([service, indexes]) => {
    const own = indexes.map((i) => calls[i]!);
    const part = await run(service === host.service ? host : host.ofService(service), own, options);
    indexes.forEach((index, i) => (rows[index] = part[i]!));
  });
  await Promise.all(parts);
  return rows;
}

/** A call that cannot be read fails in the list of this client. */
function serviceOf(call: KeyedCall | undefined, { service }: ClientParts): string {
  try {
    return call?.service ?? service;
  } catch {
    return service;
  }
}
