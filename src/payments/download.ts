/** Files that a provider offers for a short while at an address of its own. */

/** A bill of a day with a million payments is some tens of megabytes. */
const limitMs = 60_000;

/** @throws Error when it is not there (any more), or did not come whole */
export async function download(address: string): Promise<Buffer> {
  const response = await fetch(address, { signal: AbortSignal.timeout(limitMs) });
  const content = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`the download answered HTTP ${response.status}`);
  return content;
}
