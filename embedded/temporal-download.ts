import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { packageRoot } from './package-root.ts';
import { whyUnreachable } from './ports.ts';
import { runCommand, withProgress } from './run-command.ts';
import { checkVersion } from './temporal-version.ts';
import { RUNS_HERE, type FailedWay, type SourceOptions } from './temporal-source.ts';

/**
 * What the Temporal SDK offers for tests: it downloads the CLI and starts its server. Only the file is wanted, and the SDK's
 * runtime can be configured once in a process, so it runs in one of its own.
 */
const SCRIPT = `
import { TestWorkflowEnvironment } from '@temporalio/testing';
const [downloadDir, version] = process.argv.slice(1);
const executable = { type: 'cached-download', downloadDir, version };
try {
  await (await TestWorkflowEnvironment.createLocal({ server: { executable } })).teardown();
} catch (error) {
  process.stderr.write(error.message);
  process.exitCode = 1;
}
`;

const HOST = 'temporal.download';
const CONNECT_TIMEOUT_MS = 5_000;
const TIMEOUT_MS = 300_000;

/** Has the Temporal SDK download the CLI; the path of the file, or why there is none. */
export async function downloadTemporal(options: SourceOptions): Promise<{ path: string } | FailedWay> {
  const { folder, version, env, log, signal } = options;
  const failed = (why: string, remedy = 'Allow this machine to reach it (HTTPS_PROXY is obeyed).'): FailedWay => {
    log(`The Temporal CLI cannot be downloaded: ${why}`);
    return { way: `Download from ${HOST}`, why, remedy };
  };

  log(`Downloading the Temporal CLI ${version} from ${HOST}`);
  // A firewall that drops packets would keep the SDK waiting for minutes; behind a proxy only the SDK can tell.
  const unreachable = hasProxy(env) ? undefined : await whyUnreachable(HOST, 443, CONNECT_TIMEOUT_MS);
  signal?.throwIfAborted();
  if (unreachable) return failed(unreachable);

  const download = runCommand({
    command: process.execPath,
    args: ['--input-type=module', '--eval', SCRIPT, folder, `v${version}`],
    cwd: packageRoot(),
    env,
    signal,
    timeoutMs: TIMEOUT_MS,
  });
  const { output } = await withProgress(log, 'Still downloading the Temporal CLI', download);
  // The server may have been too slow for the SDK, which waits 5 s: the file counts.
  const file = (await readdir(folder)).find((name) => name.startsWith('temporal-') && !name.endsWith('.downloading'));
  if (file === undefined) return failed(lastCause(output));
  const path = join(folder, file);
  const { why } = await checkVersion(path, signal);
  return why === undefined ? { path } : failed(why, RUNS_HERE);
}

function hasProxy(env: NodeJS.ProcessEnv): boolean {
  return ['HTTPS_PROXY', 'https_proxy', 'ALL_PROXY', 'all_proxy'].some((name) => env[name]);
}

/** The SDK's error repeats its request before each of its causes. */
function lastCause(output: string): string {
  const causes = output.replace(/\s+/g, ' ').split(/error sending request for url \([^)]*\):/);
  return causes.at(-1)?.trim() || 'the SDK left no file';
}
