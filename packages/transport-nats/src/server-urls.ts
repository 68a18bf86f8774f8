/** Reads servers as users write them, with credentials that the NATS client would ignore or take for a port. */
import { ClstrError } from '@clstr/core';

export interface ServerUrls {
  /** Without credentials. */
  readonly servers: string[];
  /** Empty if no server has credentials. */
  readonly login: { token?: string; user?: string; pass?: string };
}

/**
 * @throws INVALID_OPTION when the servers have different credentials, because a connection has one set for all of them,
 * or when one is not a server: its text is not shown, because it may hold a misplaced password.
 */
export function readServerUrls(owner: string, urls: readonly string[]): ServerUrls {
  const found = new Set<string>();
  const servers = urls.map((given, index) => {
    const url = given.trim();
    const [, scheme = '', userinfo, address = url] = WITH_USERINFO.exec(url) ?? [];
    if (!SERVER.test(scheme + address)) throw noServer(owner, index);
    found.add(userinfo ?? '');
    return scheme + address;
  });
  if (found.size > 1) {
    throw new ClstrError('INVALID_OPTION', `${owner}: servers must all have the same credentials, or none`);
  }
  const [userinfo = ''] = found;
  return { servers, login: readUserinfo(owner, userinfo) };
}

/** A name or an IPv4 address with or without a port, or an IPv6 address, in brackets if a port follows. */
const SERVER =
  /^(?:[a-z]+:\/\/)?(?:[\p{L}\p{N}._-]+(?::\d{1,5})?|\[[\da-f:.]+(?:%[\w.-]+)?\](?::\d{1,5})?|[\da-f:.]*:[\da-f:.]*:[\da-f:.]*)$/iu;

function noServer(owner: string, index: number): ClstrError {
  const message =
    `${owner}: servers[${index}] must be host:port or nats://host:port, with a login as user:pass@ or token@ before the ` +
    'host and nothing after the port; the value is not shown, as it may hold a password';
  return new ClstrError('INVALID_OPTION', message);
}

/** Matches to the last `@`: a password may hold one. */
const WITH_USERINFO = /^([a-z]+:\/\/)?(.*)@(.*)$/is;

/** `user:pass`, or a token alone, as in URLs of the other NATS clients. */
function readUserinfo(owner: string, userinfo: string): ServerUrls['login'] {
  if (userinfo === '') return {};
  const colon = userinfo.indexOf(':');
  try {
    if (colon < 0) return { token: decodeURIComponent(userinfo) };
    return {
      user: decodeURIComponent(userinfo.slice(0, colon)),
      pass: decodeURIComponent(userinfo.slice(colon + 1)),
    };
  } catch {
    // The error has no cause, which might quote the password.
    throw new ClstrError('INVALID_OPTION', `${owner}: the credentials in servers are not percent-encoded`);
  }
}
