/** The certificates of the folder beside this file; `make.sh` made them. */
import { join } from 'node:path';

const at = (file: string): string => join(import.meta.dirname, 'certificates', file);

/** Signed the others. */
export const authorityFile: string = at('authority.pem');

/** Configuration of a nats-server that demands TLS, with a good certificate or an expired one. */
export function tlsConfig(certificate: 'server' | 'expired'): string {
  return `tls { cert_file: "${at(`${certificate}.pem`)}", key_file: "${at('server-key.pem')}", timeout: 5 }`;
}
