/** Shards as people write them: `0-9`, `0-2 4`, `alipay wechat`. */
export function shardsInShort(shards: readonly string[]): string {
  const parts: string[] = [];
  const known = [...new Set(shards)].filter((shard) => shard !== '');
  const numbers = known.filter((shard) => /^(0|[1-9]\d{0,8})$/.test(shard)).map(Number);
  for (const number of numbers.sort((a, b) => a - b)) {
    const last = parts.at(-1)?.split('-');
    if (last !== undefined && Number(last.at(-1)) === number - 1) parts[parts.length - 1] = `${last[0]}-${number}`;
    else parts.push(String(number));
  }
  return [...parts, ...known.filter((shard) => !numbers.includes(Number(shard)) || !/^\d+$/.test(shard))].join(' ');
}

/** `sync-commission-log 0-9`, or the name alone of a job without shards. */
export function jobWithShards(job: string, shards: readonly string[]): string {
  return `${job} ${shardsInShort(shards)}`.trim();
}
