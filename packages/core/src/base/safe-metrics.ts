/** Makes one object of the metrics that a user gives: all methods are there, and what they throw reaches no call. */
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import { noMetrics } from './metrics.ts';
import type { Metrics, SafeMetrics } from './metrics.ts';
import { invalidOption } from './options.ts';
import { createRareLog } from './rare-log.ts';
import type { RareLog } from './rare-log.ts';
import { option } from './spec.ts';
import type { Option } from './spec.ts';

/** How many parameters each method has. */
const PARAMETERS: { readonly [Name in keyof SafeMetrics]: Parameters<SafeMetrics[Name]>['length'] } = {
  requestEnded: 3,
  notifyEnded: 2,
  transportError: 1,
  callRepeated: 1,
  retryDenied: 1,
  listMade: 2,
  breakerChanged: 1,
  messageRefused: 1,
  messageShed: 2,
  keyedRepeat: 1,
  handlerEnded: 4,
  panicked: 1,
  taskEnded: 2,
  nodeEvent: 2,
  watchClient: 1,
  watchNode: 1,
  watchActors: 1,
  watchTransport: 1,
};
const METHODS = Object.keys(PARAMETERS) as readonly (keyof SafeMetrics)[];
const WITH_TEXT: readonly (keyof Metrics)[] = [...METHODS, 'text'];

/** Not safe yet: {@link safeMetrics} needs the logger and the clock, which are other options. */
export const metricsOption: Option<readonly Metrics[]> = option(
  (owner, name, value) =>
    (Array.isArray(value) ? (value as unknown[]) : [value]).map((one) => checkMetrics(owner, name, one)),
  [],
);

function checkMetrics(owner: string, name: string, value: unknown): Metrics {
  const given = (value ?? {}) as Readonly<Record<string, unknown>>;
  const present = WITH_TEXT.filter((method) => given[method] !== undefined);
  const wrong = present.find((method) => typeof given[method] !== 'function');
  if (wrong !== undefined) throw invalidOption(owner, `${name}.${wrong}`, given[wrong], 'a function');
  if (present.length > 0) return given;
  throw invalidOption(owner, name, value, `an object with at least one of ${WITH_TEXT.join('(), ')}()`);
}

/** What {@link safeMetrics} has made: a client gives it to the clients of its services. */
const MADE = new WeakSet<Metrics>([noMetrics]);

/** Returns `noMetrics` if there is nothing to report to, as hot paths compare it by identity. */
export function safeMetrics(given: readonly Metrics[], logger: Logger, clock: Clock): SafeMetrics {
  const [only = noMetrics] = given;
  if (given.length < 2 && MADE.has(only)) return only as SafeMetrics;
  const log = createRareLog(logger, clock);
  const made = Object.fromEntries(METHODS.map((name) => [name, safeMethod(name, given, log)]));
  MADE.add(made);
  return made as unknown as SafeMetrics;
}

/** Rest parameters would be an array per call. */
type Method = (a?: unknown, b?: unknown, c?: unknown, d?: unknown) => void;

function safeMethod(name: keyof SafeMetrics, given: readonly Metrics[], log: RareLog): Method {
  const threw = (err: unknown): void => {
    log.error(name, { event: 'metrics.threw', err }, `metrics.${name}() threw`);
  };
  const methods = given
    .filter((metrics) => metrics[name] !== undefined)
    .map((metrics) => hotMethod(name, metrics, threw) ?? guarded(exactly(name, metrics), threw));
  if (methods.length === 0) return noMetrics[name] as Method;
  return methods.reduce((first, second) => (a, b, c, d) => {
    first(a, b, c, d);
    second(a, b, c, d);
  });
}

/**
 * The methods that are called for each message, each written out: V8 inlines a call only where it always has the same
 * target, and so two layers fewer cost a third of the time.
 */
function hotMethod(
  name: keyof SafeMetrics,
  metrics: Metrics,
  threw: (err: unknown) => void,
): Method | undefined {
  const hot: Partial<SafeMetrics> = {
    requestEnded: (type, isSuccess, durationMs) => {
      try {
        metrics.requestEnded!(type, isSuccess, durationMs);
      } catch (err) {
        threw(err);
      }
    },
    notifyEnded: (type, isSuccess) => {
      try {
        metrics.notifyEnded!(type, isSuccess);
      } catch (err) {
        threw(err);
      }
    },
    handlerEnded: (type, isSuccess, durationMs, waitedMs) => {
      try {
        metrics.handlerEnded!(type, isSuccess, durationMs, waitedMs);
      } catch (err) {
        threw(err);
      }
    },
  };
  return hot[name] as Method | undefined;
}

function guarded(method: Method, threw: (err: unknown) => void): Method {
  return (a, b, c, d) => {
    try {
      method(a, b, c, d);
    } catch (err) {
      threw(err);
    }
  };
}

/** Passes on no more arguments than the contract has: a user's method may count them. */
function exactly(name: keyof SafeMetrics, metrics: Metrics): Method {
  const method = (metrics[name] as Method).bind(metrics);
  return PARAMETERS[name] === 1 ? (a) => method(a) : (a, b) => method(a, b);
}
