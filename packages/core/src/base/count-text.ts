/** Counts things in a text: `1 shard`, `2 shards`. For nouns whose plural ends in `s`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
