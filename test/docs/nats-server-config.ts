/** docs/nats-server.conf: an account of the cluster's own, with users as `natsPermissions` makes them. */
import { natsPermissions } from '@clstr/transport-nats';
import type { NatsRole } from '@clstr/transport-nats';

/** Users of the example: two clients, so that one can try the other's inboxes. */
export const USERS: Readonly<Record<string, { role: NatsRole; inboxPrefix: string }>> = {
  web: { role: 'client', inboxPrefix: '_INBOX.web' },
  jobs: { role: 'client', inboxPrefix: '_INBOX.jobs' },
  node: { role: 'node', inboxPrefix: '_INBOX.node' },
  app: { role: 'app', inboxPrefix: '_INBOX.app' },
  provisioner: { role: 'provisioner', inboxPrefix: '_INBOX.provisioner' },
};

/** The variable that holds a user's password. */
export function passwordOf(user: string): string {
  return `${user.toUpperCase()}_PASSWORD`;
}

export function renderServerConfig(): string {
  return [
    '# The nats-server of one cluster: docs/operations.md. Passwords come from the environment.',
    'jetstream {',
    '  store_dir: "/var/lib/nats"',
    '}',
    '',
    'accounts {',
    '  # This account belongs to one cluster: what a node sends to any subject stays inside it.',
    '  CLSTR {',
    '    jetstream: enabled',
    '    users: [',
    ...Object.keys(USERS)
      .flatMap(renderUser)
      .map((line) => `  ${line}`),
    '    ]',
    '  }',
    '}',
    '',
  ].join('\n');
}

function renderUser(user: string): string[] {
  const { role, inboxPrefix } = USERS[user]!;
  const { publish, subscribe } = natsPermissions({ role, inboxPrefix });
  return [
    '    {',
    `      # role: ${role}, inboxPrefix: ${inboxPrefix}`,
    `      user: ${user}`,
    `      password: $${passwordOf(user)}`,
    '      permissions: {',
    ...renderList('publish', publish),
    ...renderList('subscribe', subscribe),
    '      }',
    '    }',
  ];
}

function renderList(name: string, subjects: readonly string[]): string[] {
  return [
    `        ${name}: [`,
    ...subjects.map((subject) => `          ${JSON.stringify(subject)}`),
    '        ]',
  ];
}
