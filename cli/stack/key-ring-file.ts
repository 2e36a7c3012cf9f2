import { generateKey, parseKeyRing } from '../../config/key-ring.ts';
import { writeOnce } from '../../embedded/lock.ts';
import { readTextFileIfThere } from '../text-file.ts';

export interface KeyRingText {
  /** As `OUTHAUL_KEYS` has it. */
  readonly keys: string;
  /** The key file was made now. */
  readonly isNew: boolean;
}

/**
 * The key ring of a data folder: the keys of `OUTHAUL_KEYS` first, then those of the key file, which may have sealed what
 * is stored already. Where there are neither, a key file is made (mode 0600).
 * @throws {KeyRingError}
 */
export async function openKeyRing(file: string, fromEnvironment: string | undefined): Promise<KeyRingText> {
  const isNew = fromEnvironment === undefined && (await writeOnce(file, `${generateKey()}\n`));
  const kept = (await readTextFileIfThere(file)) ?? '';
  const first = entries(fromEnvironment ?? '');
  const named = new Set(first.map(idOf));
  const keys = [...first, ...entries(kept).filter((entry) => !named.has(idOf(entry)))].join('\n');
  parseKeyRing(keys);
  return { keys, isNew };
}

const entries = (text: string): string[] =>
  text
    .split(/[,\n]/)
    .map((entry) => entry.trim())
    .filter(Boolean);
const idOf = (entry: string): string | undefined => entry.split(':')[0];
