/** Many calls at once: checks the list, and makes its calls once the client knows where they go. */
import type { ClstrError } from '../base/errors.ts';
import { CallList, Failed } from './call-list.ts';
import type { ListHost } from './call-list.ts';
import { checkList } from './list-options.ts';
import type { CallResult, KeyedCall, ListOptions } from './list-options.ts';

/** Rejects for a wrong list or wrong options alone; whatever else fails is a row. */
export async function requestMany(
  host: ListHost,
  calls: readonly KeyedCall[],
  options: ListOptions = {},
): Promise<CallResult[]> {
  checkList(calls, options);
  if (calls.length === 0) return [];
  const run = (rest: ListOptions): Promise<CallResult[]> => new CallList(host, calls, rest).run();
  if (host.isShaped()) return run(options);
  const failed = (error: ClstrError): CallResult[] => calls.map(() => new Failed(error));
  return host.whenShaped(options, run).catch(failed);
}
