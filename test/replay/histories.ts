import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { temporal } from '@temporalio/proto';
import { outhaulVersion } from '../../api/version.ts';

export type History = temporal.api.history.v1.IHistory;

/** The key that recorded payloads are sealed under. It protects nothing: the histories hold invented ids. */
export const RECORDING_KEYS = 'recording:T3V0aGF1bCByZXBsYXkgaGlzdG9yaWVzLCBubyBzZWM=';

/** A folder for each version of Outhaul: what a released one has recorded stays. */
const root = new URL('histories/', import.meta.url);

/** A history that was recorded: `scanTenant-paused` of `0.1.0`. */
export interface RecordedHistory {
  readonly version: string;
  readonly name: string;
  readonly history: History;
}

/** All recorded histories, of every version. */
export async function recordedHistories(): Promise<RecordedHistory[]> {
  const files = (await readdir(root, { recursive: true })).filter((path) => path.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (path) => {
      const [version = '', file = ''] = path.split(/[/\\]/);
      const text = await readFile(new URL(path.replaceAll('\\', '/'), root), 'utf8');
      return { version, name: file.replace('.json', ''), history: historyFromJSON(JSON.parse(text)) };
    }),
  );
}

/** Keeps a history among those of the version that is being worked on. */
export async function recordHistory(name: string, history: History): Promise<void> {
  const folder = new URL(`${await outhaulVersion()}/`, root);
  await mkdir(folder, { recursive: true });
  await writeFile(fileURLToPath(new URL(`${name}.json`, folder)), historyToJSON(history));
}
