/** The faults of a connection that goes through a proxy of its own. */
import type { TcpProxy } from '@clstr/testing';
import type { ConnectionFaults } from './state-store-under-test.ts';

export function proxyFaults(proxy: TcpProxy): ConnectionFaults {
  return {
    cut() {
      proxy.setMode({ kind: 'reset' });
    },
    loseAnswers() {
      proxy.setMode({ kind: 'half-open' });
    },
    loseEverything() {
      proxy.setMode({ kind: 'black-hole' });
    },
    restore() {
      // A connection that has lost bytes is dead: only a new one passes.
      proxy.reset();
      proxy.setMode({ kind: 'pass' });
    },
  };
}
