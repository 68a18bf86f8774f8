/** Key → shard → subject as a service would do it by hand: hashed once per key, then looked up. */

export function createShardSubjects(prefix: string, numShards: number): (key: string) => string {
  const subjects = new Map<string, string>();
  return (key) => {
    let subject = subjects.get(key);
    if (subject === undefined) {
      subject = `${prefix}.shard.${fnv1a(key) % numShards}`;
      subjects.set(key, subject);
    }
    return subject;
  };
}

/** FNV-1a, 32 bit, http://www.isthe.com/chongo/tech/comp/fnv/. */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
