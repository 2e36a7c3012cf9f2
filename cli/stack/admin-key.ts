import { pause } from '../../embedded/pause.ts';
import { createApiClient } from '../api-client.ts';
import { CommandError } from '../errors.ts';
import { readTextFileIfThere } from '../text-file.ts';

export interface AdminKey {
  readonly key: string;
  /** Where it is kept. */
  readonly file: string;
  /** It was made since the reader was. */
  readonly isNew: boolean;
}

const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 50;

export interface AdminKeyReader {
  readonly file: string;
  /** The key, once the file holds one that the API takes. The API listens before it has written the file. */
  readonly untilValid: (apiUrl: string, signal: AbortSignal) => Promise<AdminKey>;
}

/** Reads the administrator's key that the API keeps in a file (`outhaul api --admin-key-file`). Made before the API. */
export async function adminKeyReader(file: string): Promise<AdminKeyReader> {
  const before = await readKey(file);
  return {
    file,
    async untilValid(apiUrl, signal) {
      for (const giveUpAt = Date.now() + PATIENCE_MS; ;) {
        const key = await readKey(file);
        const reason = key === undefined ? new Error(`${file} is not there`) : await whyRefused(apiUrl, key, signal);
        if (key !== undefined && reason === undefined) return { key, file, isNew: key !== before };
        if (Date.now() > giveUpAt) {
          throw new CommandError("There is no administrator's key that the API takes", {
            advice: `It should be in ${file}; the API's log may tell why it is not.`,
            cause: reason,
          });
        }
        await pause(LOOK_EVERY_MS, signal);
      }
    },
  };
}

const readKey = async (file: string): Promise<string | undefined> =>
  (await readTextFileIfThere(file))?.trim() || undefined;

async function whyRefused(url: string, key: string, signal: AbortSignal): Promise<unknown> {
  return createApiClient({ url, key, signal })
    .keys()
    .then(
      () => undefined,
      (error: unknown) => {
        signal.throwIfAborted();
        return error;
      },
    );
}
