import { readFile } from 'node:fs/promises';

/** The text of a file. Throws a file system error that names the file, which that of reading a folder does not. */
export const readTextFile = (path: string): Promise<string> =>
  readFile(path, 'utf8').catch((error: Error) => Promise.reject(Object.assign(error, { path })));

/** The text of a file; undefined where there is none. */
export const readTextFileIfThere = (path: string): Promise<string | undefined> =>
  readTextFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
