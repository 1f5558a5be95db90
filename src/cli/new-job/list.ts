/** The file that lists a package's jobs, with one job more. */
import { SetupError } from '../../platform/errors.ts';

const lineMax = 120;

/** A list with this one job. */
export function newList(variable: string, from: string, typed: boolean): string {
  return `/** The jobs of this package: a file each, and its line here. */
${typed ? "import type { Job } from 'tidemark';\n" : ''}import { ${variable} } from '${from}';

export const jobs${typed ? ': readonly Job[]' : ''} = [${variable}];
`;
}

/** @throws SetupError where the text has no list that can be recognised */
export function withJob(text: string, file: string, variable: string, from: string): string {
  const list = /^(export const jobs[^=]*= \[)([^\]]*)(\];?)/m.exec(text);
  if (list === null)
    throw new SetupError(
      `${file} has no list that begins with "export const jobs = ["`,
      `write one, or add ${variable} from '${from}' by hand`,
    );
  if (new RegExp(`\\b${variable}\\b`).test(text))
    throw new SetupError(`${file} knows a ${variable} already`, 'choose another name');
  const [whole, begin = '', names = '', end = ''] = list;
  const all = [...names.split(',').map((name) => name.trim()), variable].filter((name) => name !== '');
  const line = `${begin}${all.join(', ')}${end}`;
  const isComment = names.includes('//') || names.includes('/*');
  const listed = isComment
    ? `${begin}${names.trimEnd().replace(/([^,])$/, '$1,')}\n  ${variable},\n${end}`
    : names.includes('\n') || line.length > lineMax
      ? `${begin}\n${all.map((name) => `  ${name},\n`).join('')}${end}`
      : line;
  return withImport(
    text.replace(whole, () => listed),
    `import { ${variable} } from '${from}';`,
    from,
  );
}

/** Among the imports of neighbours, in their order; behind all imports where there is none; else before the list. */
function withImport(text: string, line: string, from: string): string {
  const lines = text.split('\n');
  const neighbours = lines.flatMap((one, index) => {
    const path = /^import .* from '(\.\/[^']*)';/.exec(one)?.[1];
    return path === undefined ? [] : [{ path, index }];
  });
  const next = neighbours.find(({ path }) => path > from);
  const lastImport = lines.findLastIndex((one) => /^import /.test(one) || /^\} from '/.test(one));
  const list = lines.findIndex((one) => one.startsWith('export const jobs'));
  const place = next?.index ?? (lastImport === -1 ? list : lastImport + 1);
  return [...lines.slice(0, place), line, ...(lastImport === -1 ? [''] : []), ...lines.slice(place)].join('\n');
}
