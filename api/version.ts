import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Outhaul's version, as `package.json` has it; found from the sources and from `dist/` alike. */
export async function outhaulVersion(): Promise<string> {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => undefined);
    const { name, version } = JSON.parse(text ?? '{}') as { name?: string; version?: string };
    if (name === 'outhaul' && version !== undefined) return version;
  }
  throw new Error('No package.json of Outhaul in any folder above this file');
}
