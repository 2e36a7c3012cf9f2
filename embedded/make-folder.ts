import { access, chmod, constants, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { EmbeddedServiceError } from './errors.ts';

/**
 * Makes a folder and those above it, by default with mode 0700, whatever the umask; fine where it exists. Node's own recursion tries forever where a folder
 * answers ENOENT to a new entry, as `/proc` does.
 */
export async function makeFolder(folder: string, mode = 0o700): Promise<void> {
  try {
    await mkdir(folder, { mode });
    await chmod(folder, mode);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const parent = dirname(folder);
    if (code === 'ENOENT' && parent !== folder && !(await isFolder(parent))) {
      await makeFolder(parent, mode);
      await makeFolder(folder, mode);
    } else if (code !== 'EEXIST' || !(await isFolder(folder))) throw error;
  }
}

/** Makes a service's data folder and checks that it is ours to use. Throws `failure`. */
export async function prepareFolder(
  folder: string,
  Failure: new (message: string, options?: ErrorOptions) => EmbeddedServiceError,
): Promise<void> {
  try {
    await makeFolder(folder);
    await access(folder, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Failure(`The data folder ${folder} cannot be used: ${why}. Choose one that this user may write to.`, {
      cause,
    });
  }
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
}
