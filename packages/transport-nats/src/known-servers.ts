/** The servers that may be dialed: those of the options, and those that a server named as its cluster. */
import { systemRandom } from '@clstr/core/internal';

/** How many other servers one server may name; the rest is left out. */
const MAX_LEARNED = 64;
const DEFAULT_PORT = '4222';

export class KnownServers {
  readonly #configured: readonly string[];
  /** In dialing order: the server dialed last is at the end. */
  #order: string[];

  constructor(configured: readonly string[]) {
    this.#configured = [...new Set(configured.map(addressOf))];
    this.#order = shuffled(this.#configured);
  }

  get all(): readonly string[] {
    return this.#order;
  }

  next(): string {
    const server = this.#order.shift()!;
    this.#order.push(server);
    return server;
  }

  isLearned(server: string): boolean {
    return !this.#configured.includes(server);
  }

  /** Replaces what servers said of their cluster before. */
  learn(urls: readonly string[]): void {
    const wanted = new Set(this.#configured);
    for (const url of urls)
      if (wanted.size < this.#configured.length + MAX_LEARNED) wanted.add(addressOf(url));
    const kept = this.#order.filter((server) => wanted.delete(server));
    this.#order = [...shuffled([...wanted]), ...kept];
  }
}

/** `host:port`, as servers name each other. */
export function addressOf(url: string): string {
  const address = url
    .trim()
    .replace(/^[a-z]+:\/\//i, '')
    .toLowerCase();
  const isBareIpv6 = address.split(':').length > 2 && !address.startsWith('[');
  if (isBareIpv6) return `[${address}]:${DEFAULT_PORT}`;
  return /:\d+$/.test(address) ? address : `${address}:${DEFAULT_PORT}`;
}

function shuffled(servers: readonly string[]): string[] {
  return servers
    .map((server) => ({ server, place: randomFraction() }))
    .sort((a, b) => a.place - b.place)
    .map(({ server }) => server);
}

/** Returns a number from 0 up to, but not including, 1. */
export function randomFraction(): number {
  const [low, high] = systemRandom.bytes(2);
  return (low! * 256 + high!) / 65_536;
}
