import { existsSync } from 'node:fs';
import { generateKey } from '../../config/key-ring.ts';
import { LiveKeyRing, type KeySources } from '../../config/live-key-ring.ts';
import { writeOnce } from '../../embedded/lock.ts';

export interface StackKeyRing {
  readonly ring: LiveKeyRing;
  /** Of the file; undefined where there is none, for the keys of the environment are all there are. */
  readonly file: string | undefined;
  /** The key file was made now. */
  readonly isNew: boolean;
}

/**
 * The key ring of a data folder: the keys of `OUTHAUL_KEYS` first, then those of the key file, which may have sealed what
 * is stored already. Where there are neither, a key file is made (mode 0600).
 * @throws {KeyRingError}
 */
export async function openKeyRing(file: string, fromEnvironment: string | undefined): Promise<StackKeyRing> {
  const isNew = fromEnvironment === undefined && (await writeOnce(file, `${generateKey()}\n`));
  const sources: KeySources = { keys: fromEnvironment, file: existsSync(file) ? file : undefined };
  return { ring: new LiveKeyRing(sources, () => undefined), file: sources.file, isNew };
}
