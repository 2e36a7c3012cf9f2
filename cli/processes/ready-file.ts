import { readFile, writeFile } from 'node:fs/promises';

/** Tells whoever started this process, and waits for it, that it is ready: a file that holds its pid. */
export const tellReady = (file: string): Promise<void> => writeFile(file, String(process.pid), { mode: 0o600 });

/** Whether the process with this pid has said so. */
export const saidReady = (file: string, pid: number): Promise<boolean> =>
  readFile(file, 'utf8').then(
    (text) => text === String(pid),
    () => false,
  );
