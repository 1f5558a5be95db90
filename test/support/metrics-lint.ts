/** The rules of `promtool check metrics`, for a machine that has none, and that no label hides one of Prometheus's own. */

const units = 'milliseconds|ms|minutes|min|hours|days|kb|mb|kilobytes|megabytes|percent|sec|secs';

/** @returns what is wrong with metrics in Prometheus's text form */
export function lintMetrics(text: string): string[] {
  const wrong: string[] = [];
  const helps = new Map<string, string>();
  const types = new Map<string, string>();
  const seen = new Set<string>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) ([^ ]+) (.+)$/.exec(line) ?? [];
    if (kind !== undefined) {
      const known = kind === 'HELP' ? helps : types;
      if (known.has(name)) wrong.push(`${name}: a second ${kind}`);
      known.set(name, rest);
      continue;
    }
    const [, metric, labels = '', value] =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_]\w*="(?:\\[\\n"]|[^"\\])*",?)*\})? (\S+)$/.exec(line) ?? [];
    if (metric === undefined || Number.isNaN(Number(value))) {
      wrong.push(`no metric: ${line}`);
      continue;
    }
    if (!types.has(metric) || !helps.has(metric)) wrong.push(`${metric}: no help or type before it`);
    if (seen.has(metric + labels)) wrong.push(`${metric}${labels}: twice`);
    seen.add(metric + labels);
    for (const [, label = ''] of labels.matchAll(/([a-zA-Z_]\w*)="/g))
      if (/[A-Z]/.test(label) || ['job', 'instance', 'le', 'quantile'].includes(label))
        wrong.push(`${metric}: label ${label}`);
  }
  for (const [name, type] of types) wrong.push(...lintName(name, type));
  return wrong;
}

function lintName(name: string, type: string): string[] {
  const rules: [boolean, string][] = [
    [/[A-Z:]/.test(name), 'is to be in snake_case, without colons'],
    [type === 'counter' && !name.endsWith('_total'), 'a counter ends in _total'],
    [type !== 'counter' && name.endsWith('_total'), 'only a counter ends in _total'],
    [/_(gauge|counter|summary|histogram)(_|$)/.test(name), 'has its type in its name'],
    [new RegExp(`_(${units})(_|$)`).test(name), 'is not in base units'],
    [/_(count|sum|bucket|info)$/.test(name) && !name.endsWith('_build_info'), 'ends in what is kept for histograms'],
  ];
  return rules.filter(([isBroken]) => isBroken).map(([, what]) => `${name} ${what}`);
}
