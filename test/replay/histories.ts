import { readFile, readdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { temporal } from '@temporalio/proto';

export type History = temporal.api.history.v1.IHistory;

/** The key that recorded payloads are sealed under. It protects nothing: the histories hold invented ids. */
export const RECORDING_KEYS = 'recording:T3V0aGF1bCByZXBsYXkgaGlzdG9yaWVzLCBubyBzZWM=';

const folder = new URL('histories/', import.meta.url);

/** All recorded histories, by name: the workflow, and what happened to it. */
export async function recordedHistories(): Promise<{ workflowId: string; history: History }[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.json')).sort();
  return Promise.all(
    files.map(async (name) => ({
      workflowId: name.replace('.json', ''),
      history: historyFromJSON(JSON.parse(await readFile(new URL(name, folder), 'utf8'))),
    })),
  );
}

export async function recordHistory(name: string, history: History): Promise<void> {
  await writeFile(fileURLToPath(new URL(`${name}.json`, folder)), historyToJSON(history));
}
