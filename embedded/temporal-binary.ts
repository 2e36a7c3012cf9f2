import { mkdir, rename } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { withCacheLock } from './cache-folder.ts';
import { EmbeddedServiceError } from './errors.ts';
import { buildTemporal } from './temporal-build.ts';
import { downloadTemporal } from './temporal-download.ts';
import type { FailedWay } from './temporal-source.ts';
import { checkVersion, isExecutable, MINIMUM_VERSION, TEMPORAL_VERSION } from './temporal-version.ts';

export interface TemporalBinary {
  path: string;
  from: 'TEMPORAL_CLI_PATH' | 'cache' | 'PATH' | 'download' | 'build';
  version: string;
}

export interface FindOptions {
  /** As `cacheDir` of the configuration says. */
  cacheDir: string;
  env: NodeJS.ProcessEnv;
  /** One line for each thing that is done or takes time. */
  log: (line: string) => void;
  signal?: AbortSignal | undefined;
}

/** No Temporal CLI could be found, downloaded or built. */
export class TemporalBinaryNotFound extends EmbeddedServiceError {
  override readonly name = 'TemporalBinaryNotFound';
  readonly ways: readonly FailedWay[];

  constructor(ways: readonly FailedWay[]) {
    super(
      [
        'The Temporal server needs the Temporal CLI, and no way to it was open:',
        ...ways.map(({ way, why, remedy }) => `- ${way}: ${why}\n  ${remedy}`),
        'Or use a Temporal server that already runs: set TEMPORAL_ADDRESS to its host:port.',
      ].join('\n'),
    );
    this.ways = ways;
  }
}

/**
 * The Temporal CLI, whose development server we run. Looked for in TEMPORAL_CLI_PATH, the user's cache and PATH, then
 * downloaded by the Temporal SDK, and last built with the Go toolchain; what was downloaded or built stays in the cache.
 * A TEMPORAL_CLI_PATH that does not work is an error: nothing else is tried then.
 * Throws `TemporalBinaryNotFound` or the signal's reason.
 */
export async function findTemporalBinary(options: FindOptions): Promise<TemporalBinary> {
  const { cacheDir, env, log, signal } = options;
  signal?.throwIfAborted();
  const named = env['TEMPORAL_CLI_PATH'];
  if (named) return { ...(await useNamed(named, signal)), from: 'TEMPORAL_CLI_PATH' };

  const cached = join(cacheDir, `temporal-${TEMPORAL_VERSION}`, 'temporal');
  if (isExecutable(cached)) return { path: cached, from: 'cache', version: TEMPORAL_VERSION };

  const onPath = findOnPath('temporal', env);
  const checked = onPath === undefined ? undefined : await checkVersion(onPath, signal);
  if (onPath !== undefined && checked?.version !== undefined) {
    log(`Using the Temporal CLI ${checked.version} at ${onPath}`);
    return { path: onPath, from: 'PATH', version: checked.version };
  }

  const failed: FailedWay[] = [
    { way: 'TEMPORAL_CLI_PATH', why: 'is not set', remedy: `Set it to a Temporal CLI ${MINIMUM_VERSION} or newer.` },
    { way: 'The cache', why: `${cached} does not exist`, remedy: 'A CLI copied there is used from then on.' },
    {
      way: '`temporal` on PATH',
      why: checked?.why ?? 'there is none',
      remedy: `Install the Temporal CLI ${MINIMUM_VERSION} or newer: https://docs.temporal.io/cli`,
    },
  ];
  return getFresh(cached, failed, options);
}

/** Downloads or builds the CLI into the cache: one process at a time, and whole or not at all. */
async function getFresh(target: string, failed: FailedWay[], options: FindOptions): Promise<TemporalBinary> {
  const { cacheDir, env, log, signal } = options;
  return withCacheLock(
    { cacheDir, name: basename(dirname(target)), what: 'the Temporal CLI', log, signal },
    async (folder) => {
      if (isExecutable(target)) return { path: target, from: 'cache', version: TEMPORAL_VERSION };
      const source = { folder, version: TEMPORAL_VERSION, env, log, signal };
      for (const from of ['download', 'build'] as const) {
        const made =
          from === 'download'
            ? await downloadTemporal(source)
            : await buildTemporal({ ...source, go: findOnPath('go', env) });
        if ('path' in made) {
          await mkdir(dirname(target), { recursive: true });
          await rename(made.path, target);
          return { path: target, from, version: TEMPORAL_VERSION };
        }
        failed.push(made);
      }
      throw new TemporalBinaryNotFound(failed);
    },
  );
}

async function useNamed(path: string, signal: AbortSignal | undefined): Promise<{ path: string; version: string }> {
  const { version, why } = await checkVersion(path, signal);
  if (version !== undefined) return { path, version };
  const remedy = `Set it to a Temporal CLI ${MINIMUM_VERSION} or newer, or unset it to have one found.`;
  throw new TemporalBinaryNotFound([{ way: `TEMPORAL_CLI_PATH (${path})`, why, remedy }]);
}

function findOnPath(program: string, env: NodeJS.ProcessEnv): string | undefined {
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}
