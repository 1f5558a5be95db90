/** The campaign's own programs, each made into one file that starts fast: they are killed and started again all the time. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const sources = {
  shop: 'shop.ts',
  receiver: 'receiver.ts',
  control: 'controls/main.ts',
} as const;
export type ProgramName = keyof typeof sources;

export async function makePrograms(folder: string): Promise<Readonly<Record<ProgramName, string>>> {
  const entryPoints = Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, fileURLToPath(new URL(source, import.meta.url))]),
  );
  await build({
    entryPoints,
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    banner: { js: "const campaignUrl = require('node:url').pathToFileURL(__filename).href;" },
    define: { 'import.meta.url': 'campaignUrl' },
    logLevel: 'warning',
  });
  const path = (name: ProgramName) => join(folder, `${name}.cjs`);
  return { shop: path('shop'), receiver: path('receiver'), control: path('control') };
}
