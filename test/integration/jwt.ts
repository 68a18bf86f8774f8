/** Signed credentials as operators of NATS hand them out, made on the spot: an operator, an account, a user. */
import { nkeys } from 'nats';

interface KeyPair {
  getPublicKey(): string;
  getSeed(): Uint8Array;
  sign(input: Uint8Array): Uint8Array;
}

const keys = nkeys as Record<'createOperator' | 'createAccount' | 'createUser', () => KeyPair>;
const text = new TextDecoder();

/** The seed of a fresh user key pair, and its public half for the configuration of a server. */
export function createNkey(): { seed: string; publicKey: string } {
  const user = keys.createUser();
  return { seed: text.decode(user.getSeed()), publicKey: user.getPublicKey() };
}

/** Configuration of a server that trusts one operator, and the contents of a `.creds` file of one of its users. */
export function createCredentials(): { config: string; credentials: string } {
  const [operator, account, user] = [keys.createOperator(), keys.createAccount(), keys.createUser()];
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const operatorJwt = sign(operator, operator, { type: 'operator' });
  const accountJwt = sign(operator, account, { type: 'account', limits });
  const userJwt = sign(account, user, { type: 'user', pub: {}, sub: {}, ...unlimited });
  return {
    config: `operator: ${operatorJwt}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    credentials: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${text.decode(user.getSeed())}
------END USER NKEY SEED------
`,
  };
}

/** A token of the form that nats-server reads: JWT with the algorithm `ed25519-nkey`. */
function sign(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const claims = {
    jti: subject.getPublicKey(),
    iat: 1_767_225_600,
    iss: issuer.getPublicKey(),
    sub: subject.getPublicKey(),
    name: 'test',
    nats: { version: 2, ...nats },
  };
  const body = `${base64url({ typ: 'JWT', alg: 'ed25519-nkey' })}.${base64url(claims)}`;
  return `${body}.${Buffer.from(issuer.sign(Buffer.from(body))).toString('base64url')}`;
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
