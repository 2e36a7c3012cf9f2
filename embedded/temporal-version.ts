import { accessSync, constants, statSync } from 'node:fs';
import { runCommand } from './run-command.ts';

/** The Temporal CLI that is downloaded or built; `embedded/temporal/go.mod` pins the same. */
export const TEMPORAL_VERSION = '1.8.2';

/** The oldest CLI that starts the server as we ask for it (`--ui-disable-news-fetch`). */
export const MINIMUM_VERSION = '1.8.0';

/** The version of a CLI that can be used, or why it cannot. */
export async function checkVersion(
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ version: string; why?: undefined } | { version?: undefined; why: string }> {
  if (!isExecutable(path)) return { why: `${path} does not exist or is not an executable file` };
  const run = { command: path, args: ['--version'], env: {}, signal, timeoutMs: 30_000 };
  const { ok, output } = await runCommand(run).catch((error: Error) => {
    signal?.throwIfAborted();
    return { ok: false, output: error.message };
  });
  const version = /temporal version (\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (!ok || version === undefined)
    return { why: `\`${path} --version\` does not tell a version: ${output.slice(-200)}` };
  if (isOlder(version, MINIMUM_VERSION)) return { why: `${path} is version ${version}, older than ${MINIMUM_VERSION}` };
  return { version };
}

function isOlder(version: string, minimum: string): boolean {
  return version.localeCompare(minimum, 'en', { numeric: true }) < 0;
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
