/** Questions to the API of JetStream. */
import { isClstrError } from '@clstr/core';
import { encodeText } from '@clstr/core/internal';
import { fromApiError, isApiError } from '@clstr/transport-nats/internal';
import { jetStreamSilent, unreadableAnswer } from './errors.ts';
import type { Requests } from './requests.ts';

/** Returns the answer, or undefined for an error in `expected`. @throws TIMEOUT, CONNECTION_LOST, STORE_REFUSED, NO_PERMISSION */
export async function ask<T>(
  requests: Requests,
  method: string,
  body: object | undefined,
  timeoutMs: number,
  expected: readonly number[] = [],
): Promise<T | undefined> {
  const bytes = body === undefined ? NOTHING : encodeText(JSON.stringify(body));
  const message = await requests
    .send({ subject: `$JS.API.${method}`, bytes, timeoutMs })
    .catch((error: unknown) => {
      throw isClstrError(error, 'NO_SUBSCRIBER') ? jetStreamSilent(error) : error;
    });
  let answer: unknown;
  try {
    answer = message.json();
  } catch (error) {
    throw unreadableAnswer(method, error);
  }
  if (typeof answer !== 'object' || answer === null) throw unreadableAnswer(method, undefined);
  if (!isApiError(answer)) return answer as T;
  if (expected.includes(answer.error.err_code)) return undefined;
  throw fromApiError(answer.error, method);
}

export const NOTHING: Uint8Array = new Uint8Array(0);
