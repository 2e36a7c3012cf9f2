import { open, readFile, rename, stat, type FileHandle } from 'node:fs/promises';

const ROTATE_ABOVE_BYTES = 16 * 1024 * 1024;

/** The file that a service's output goes to, straight from the service. */
export interface ServiceLog {
  file: string;
  /** Open for appending; to be closed when the service has it. */
  handle: FileHandle;
  /** The last lines that this run of the service wrote, for an error message. */
  lastLines: () => Promise<string>;
}

/** Opens a service's log; one that has grown long is kept as `<file>.1`, in place of the one before. */
export async function openLog(file: string): Promise<ServiceLog> {
  let offset = await stat(file).then(
    (stats) => stats.size,
    () => 0,
  );
  if (offset > ROTATE_ABOVE_BYTES) {
    await rename(file, `${file}.1`);
    offset = 0;
  }
  return {
    file,
    handle: await open(file, 'a', 0o600),
    async lastLines() {
      const written = (await readFile(file)).subarray(offset).toString();
      return written.trimEnd().split('\n').slice(-15).join('\n');
    },
  };
}
