/** The options of the command line. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { NatsAddress } from './nats-url.ts';
import { parseNatsUrl } from './nats-url.ts';

export interface Options {
  requests: number;
  keys: number;
  nodes: number;
  /** Requests in flight at any time. */
  concurrency: number;
  transport: 'memory' | 'nats';
  /** The server's address; if undefined, the demo starts a server for this run. */
  natsUrl?: NatsAddress | undefined;
  /** Whether the cluster loses nodes and its server while it works. */
  chaos: boolean;
  /** Whether to run three nodes to kill by hand. */
  watch: boolean;
  /** Whether to stay up and serve HTTP instead of sending requests. */
  serve: boolean;
  port: number;
}

/** How many messages a node admits at once before it refuses more; one node may get them all. */
const MAX_CONCURRENCY = 16_384;

/** @throws CommanderError with a message for people, and exit code 0 if they asked for help. */
export function readOptions(args: readonly string[]): Options {
  const command = new Command('npm run demo --')
    .description(
      'Sends requests to counters that are spread over a cluster, and checks that no increment is lost.',
    )
    .addOption(whole('requests', 'increments to send', 100_000, 1, 1_000_000_000))
    .addOption(whole('keys', 'counters to spread them over', 1_000, 1, 1_000_000))
    .addOption(whole('nodes', 'nodes of the cluster', 3, 1, 32))
    .addOption(whole('concurrency', 'requests in flight at any time', 256, 1, MAX_CONCURRENCY))
    .addOption(
      new Option(
        '--transport <name>',
        'memory: all in one process; nats: a process per node, over nats-server',
      )
        .choices(['memory', 'nats'])
        .default('memory'),
    )
    .addOption(
      new Option(
        '--nats-url <url>',
        'a running server, nats://[user:password@]host:port (default: starts one)',
      ).argParser(checkedBy(parseNatsUrl)),
    )
    .addOption(
      new Option(
        '--chaos',
        'kill, stop and restart parts of the cluster for a minute; needs --transport nats',
      )
        .default(false)
        .conflicts(['requests', 'keys', 'nodes', 'concurrency', 'natsUrl', 'serve']),
    )
    .addOption(
      new Option(
        '--watch',
        'show three node processes, to kill by hand, until Ctrl-C; needs --transport nats',
      )
        .default(false)
        .conflicts(['requests', 'keys', 'nodes', 'concurrency', 'natsUrl', 'serve', 'chaos']),
    )
    .addOption(
      new Option('--serve', 'stay up and serve the counters over HTTP, until Ctrl-C')
        .default(false)
        .conflicts(['requests', 'keys', 'concurrency']),
    )
    .addOption(whole('port', 'port of --serve, 0 for any free one', 8080, 0, 65_535))
    .helpOption('--help', 'show this text')
    .showSuggestionAfterError(false)
    .allowExcessArguments()
    // The caller prints the message of the error.
    .configureOutput({ outputError: () => undefined })
    .exitOverride();
  command.parse(args, { from: 'user' });
  const options = command.opts<Options>();
  const [surplus] = command.args;
  if (surplus !== undefined) command.error(`error: unexpected argument '${surplus}'`);
  const isGiven = (name: keyof Options): boolean => command.getOptionValueSource(name) === 'cli';
  if (isGiven('natsUrl') && options.transport !== 'nats') {
    command.error(`error: option '--nats-url ${options.natsUrl?.servers}' needs '--transport nats'`);
  }
  for (const name of ['chaos', 'watch'] as const) {
    if (options[name] && options.transport !== 'nats') {
      command.error(`error: option '--${name}' needs '--transport nats'`);
    }
  }
  if (isGiven('port') && !options.serve) {
    command.error(`error: option '--port ${options.port}' needs '--serve'`);
  }
  return options;
}

function whole(name: string, description: string, fallback: number, min: number, max: number): Option {
  return new Option(`--${name} <n>`, description).default(fallback).argParser(
    checkedBy((text) => {
      const value = Number(text);
      if (/^\d+$/.test(text) && value >= min && value <= max) return value;
      throw new Error(`It must be a whole number from ${min} to ${max}.`);
    }),
  );
}

/** Makes commander put the option and the value in front of the error message of `parse`. */
function checkedBy<T>(parse: (text: string) => T): (text: string) => T {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError((error as Error).message);
    }
  };
}
