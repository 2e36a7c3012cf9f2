import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDataFolder, type DataFolder } from '../../embedded/data-folder.ts';
import { version } from '../version.ts';

const PREFIX = 'outhaul-demo-';

/** A data folder that goes with the demo. */
export interface DemoFolder {
  readonly data: DataFolder;
  /** Removes it with everything in it. */
  readonly remove: () => Promise<void>;
  /** The same, now, for a process that is about to end. */
  readonly removeNow: () => void;
}

export async function makeDemoFolder(): Promise<DemoFolder> {
  await removeLeftovers();
  const folder = await mkdtemp(join(tmpdir(), PREFIX));
  const data = await openDataFolder(folder, { outhaulVersion: version() });
  const everything = { recursive: true, force: true, maxRetries: 5, retryDelay: 100 } as const;
  return {
    data,
    async remove() {
      await data.release();
      await rm(folder, everything);
    },
    removeNow: () => rmSync(folder, everything),
  };
}

/** Removes the folders of demos that were killed; those that are in use, or somebody else's, stay. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const folder = join(tmpdir(), name);
    if (!name.startsWith(PREFIX) || !existsSync(join(folder, 'version.json'))) continue;
    await openDataFolder(folder, { outhaulVersion: version() }).then(
      () => rm(folder, { recursive: true, force: true }).catch(() => undefined),
      () => undefined,
    );
  }
}
